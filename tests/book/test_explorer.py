"""The explorer's files say what the runs say."""

import base64
import io
import json
import re
from dataclasses import replace

import figure_runs
import numpy as np
import pandas as pd
import pytest

from grokbook import RunConfig
from grokbook.book import directives, explorer
from grokbook.fourier.transform import Spectrum
from grokbook.model.names import EMBEDDING


def read(script: str) -> tuple[str, dict]:
    match = re.fullmatch(r'grokbook\.add\("([^"]+)",(.*)\);\n', script, re.DOTALL)
    assert match
    return match[1], json.loads(match[2])


def test_spectra_are_within_a_level_of_the_runs(any_run):
    key, value = read(explorer.spectra_script(any_run))
    assert key == f"run-{any_run.config.hash[:8]}"
    assert (value["p"], value["grokStep"]) == (any_run.config.p, any_run.grok_step)
    assert value["step"] == any_run.spectra.step.tolist()
    for layer in ("embedding", "neuron_logit"):
        rows = getattr(any_run.spectra, layer).float().numpy()
        levels = np.frombuffer(base64.b64decode(value[layer]["rows"]), "<u2").reshape(rows.shape)
        top = value[layer]["top"]
        np.testing.assert_allclose(levels[:, 1:] / 65535 * top, rows[:, 1:], atol=top / 65535)
        assert levels[:, 1:].max() == 65535


def test_accuracies_are_the_histories(any_run):
    history = read(explorer.spectra_script(any_run))[1]["history"]
    assert history["step"] == any_run.history["step"].tolist()
    for part in ("train", "test"):
        np.testing.assert_allclose(history[part], any_run.history[f"{part}_accuracy"], atol=5e-5)


def test_maps_are_percents_of_each_steps_largest_component(any_run):
    key, value = read(explorer.maps_script(any_run))
    assert key == f"maps-{any_run.config.hash[:8]}"
    logits = any_run.spectra.logits.float().numpy()
    assert value["step"] == any_run.spectra.logits_step.tolist()
    for operation, (tops, cells) in enumerate(zip(value["tops"], value["cells"], strict=True)):
        found = np.frombuffer(base64.b64decode(cells), np.uint8).reshape(len(logits), *logits.shape[2:])
        for time, norms in enumerate(logits[:, operation]):
            rest = np.where(np.arange(norms.size).reshape(norms.shape) == 0, 0, norms)
            assert tops[time] == pytest.approx(rest.max(), rel=1e-3)
            # Rows are components over b, as a heatmap draws them.
            if rest.max() > 0:
                np.testing.assert_allclose(found[time], np.minimum(100 * norms.T / rest.max(), 100), atol=0.5 + 1e-3)


def test_the_table_has_a_row_per_step_and_frequency(wave_run):
    table = pd.read_csv(io.StringIO(explorer.spectra_csv(wave_run)))
    last = table[table["step"] == 30].set_index("frequency")
    assert table.groupby("step")["frequency"].apply(list).tolist() == [[1, 2, 3, 4, 5]] * 5
    assert last["embedding_cosine"].idxmax() == 3  # W_E is cos 3, W_L is sin 2
    assert last["neuron_logit_sine"].idxmax() == 2
    np.testing.assert_allclose(
        last["embedding_sine"], Spectrum.of_rows(wave_run.spectra.embedding[-1].float()).sine, rtol=1e-3, atol=1e-6
    )


def test_the_list_names_what_makes_a_run_special(tiny, wave_run, tiny_transfer):
    frozen = replace(wave_run, config=tiny(p=11, frozen=EMBEDDING))
    entries = explorer.index([tiny_transfer, frozen, wave_run, figure_runs.mixture(tiny)])
    assert [entry["operation"] for entry in entries] == ["a+b", "a+b", "a−b", "a+b, a−b"]
    kinds = ["p = 11", "frozen random embedding", f"{tiny_transfer.config.module} from a+b", "p = 11"]
    assert [entry["setting"].split(",")[0] for entry in entries] == kinds
    assert entries[-1]["maps"] == ["a+b", "a−b"]
    assert all(f"p = {run.config.p}" in explorer.setting(run) for run in (frozen, wave_run))
    without, little = (
        explorer.setting(replace(wave_run, config=tiny(p=11, weight_decay=decay))) for decay in (0.0, 0.5)
    )
    assert without.startswith("no weight decay, p = ")
    assert little.startswith("weight decay 0.5, p = ")
    assert "decay" not in explorer.setting(wave_run)


def test_the_runs_that_the_paper_is_about_come_first(tiny, wave_run):
    usual = RunConfig(operations=("a+b",))
    unusual = [{"p": 31}, {"operands": "vocab"}, {"weight_decay": 0.0, "p": 31, "fraction": 0.2}, {"seed": 1}]
    configs = [replace(usual, **changes) for changes in unusual]
    entries = explorer.index(replace(wave_run, config=config) for config in (*configs, usual))
    wanted = ["p = 97, r = 0.3, seed 0", "p = 97, r = 0.3, seed 1", "p = 31, r = 0.3, seed 0"]
    assert [entry["setting"] for entry in entries[:3]] == wanted
    assert [entry["setting"].split(",")[0] for entry in entries[3:]] == ["operands vocab", "no weight decay"]


def test_runs_without_maps_offer_none(wave_run):
    bare = replace(
        wave_run,
        spectra=wave_run.spectra._replace(
            logits=wave_run.spectra.logits[:0], logits_step=wave_run.spectra.logits_step[:0]
        ),
    )
    assert explorer.index([bare])[0]["maps"] == []


def test_two_runs_with_one_key_are_refused(wave_run):
    with pytest.raises(ValueError, match=wave_run.config.hash[:8]):
        explorer.index([wave_run, wave_run])


def test_the_page_lists_every_run_with_its_numbers(wave_run, tiny_run):
    entries = explorer.index([wave_run, tiny_run])
    page = directives.explorer_place(entries, "runs-1.js", "../")
    assert 'data-runs="runs-1.js"' in page
    for run in (wave_run, tiny_run):
        assert f'href="../_static/explorer/spectra-{run.config.hash[:8]}.csv"' in page
    assert read(explorer.script("runs", entries)) == ("runs", entries)


def test_what_a_run_is_called_is_text_and_no_markup():
    entry = {"key": "k", "operation": "<b>", "setting": "<i>", "ended": "<u>", "name": "", "steps": 1, "maps": []}
    page = directives.explorer_place([entry], "", "")
    assert not any(tag in page for tag in ("<b>", "<i>", "<u>"))
