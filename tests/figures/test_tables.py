from dataclasses import replace

import pandas as pd
import pytest

from grokbook import RunConfig, data, figures
from grokbook.analysis.symmetry import by_mirror, classes, mirrored, share_with_twins
from grokbook.figures import tables


def test_tables_are_shown_without_their_index():
    shown = figures.table(pd.DataFrame({"run": ["a+b", "a < b"]}, index=["first", "second"])).data
    assert "<td>a+b</td>" in shown
    assert "a &lt; b" in shown
    assert "first" not in shown


def test_short_cells_keep_to_one_line_and_long_ones_are_words():
    shown = figures.table(pd.DataFrame({"change": ["1.00 → 0.12"], "result": ["groks; from scratch it does not"]})).data
    assert "<td>1.00 → 0.12</td>" in shown
    assert '<td class="words">groks;' in shown


def test_lists_wrap_and_lone_numbers_do_not():
    cells = {"steps": ["5,400, 7,200, 9,300"], "kept": ["4 of 6, 2 undecided"], "n": ["12,345,678,901,234"]}
    shown = figures.table(pd.DataFrame(cells)).data
    assert '<td class="list">5,400' in shown
    assert '<td class="list">4 of 6' in shown
    assert "<td>12,345,678,901,234" in shown


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (0.041666, "0.0417"),
        (-0.5, "−0.5"),
        (2 / 3, "0.667"),
        (999.4, "999"),
        (999.6, "1,000"),
        (-9700.0, "−9,700"),
        (99_999.0, "99,999"),
        (9316588.7, "9.3 × 10⁶"),
        (-0.00002, "−2.0 × 10⁻⁵"),
    ],
)
def test_numbers_are_short(number, text):
    assert tables.number_text(number) == text


def test_symbols_of_layers_have_a_subscript():
    shown = figures.table(pd.DataFrame({"FFS W_E": ["0.12"], "weighted FCR W_L": ["0.20"], "W_EX": ["kept"]})).data
    assert "<th>FFS W<sub>E</sub></th>" in shown
    assert "<th>weighted FCR W<sub>L</sub></th>" in shown
    assert "W_EX" in shown


def test_the_outcome_table_has_a_row_per_run(wave_run, tiny_run):
    table = figures.outcome_table({"waves": [wave_run], "tiny": [tiny_run]})
    assert table.iloc[0].to_dict() == {
        "run": "waves",
        "seed": 0,
        "steps": "30",
        "budget": "30",
        "grok step": "10",
        "best test accuracy": "100.0%",
        "FFS W_E": "0.12",
        "FCR W_E": "0.20",
        "FFS W_L": "0.20",
        "FCR W_L": "0.20",
    }
    assert table["grok step"].tolist() == ["10", "–"]


def test_the_outcome_table_sets_steps_beside_the_budget(tiny, wave_run):
    history = wave_run.history.assign(step=1000 * wave_run.history["step"])
    run = replace(wave_run, config=tiny(p=11, max_steps=40_000), history=history)
    (row,) = figures.outcome_table({"waves": [run]}).to_dict("records")
    assert list(row)[:5] == ["run", "seed", "steps", "budget", "grok step"]
    assert (row["steps"], row["budget"], row["grok step"]) == ("30,000", "40,000", "10,000")


# --- against thresholds, the paper, and time ------------------------------------------------------


def test_the_threshold_table_has_a_grok_step_for_each_accuracy(tiny, wave_run):
    history = wave_run.history.assign(test_accuracy=[0.0, 0.96, 0.975, 0.985, 0.985], step=[0, 1, 10, 20, 40])
    run = replace(wave_run, config=tiny(p=11, sustain=10), history=history)
    (row,) = figures.threshold_table({"waves": [run]}).to_dict("records")
    shown = {column: row[column] for column in row if column.endswith("%")}
    assert shown == {"90 %": "1", "95 %": "1", "97 %": "10", "98 %": "20", "99 %": "–", "99.5 %": "–"}
    assert row["accuracy at the end"] == "98.50%"


def test_the_seed_table_has_groups_with_several_seeds(tiny, wave_run, tiny_run):
    of_seed = lambda run, seed: replace(run, config=replace(run.config, seed=seed))  # noqa: E731
    groups = {
        "one": [wave_run],
        "one, twice": [wave_run, tiny_run],
        "first and last": [of_seed(wave_run, 0), of_seed(tiny_run, 2)],
        "two": [of_seed(wave_run, 0), of_seed(wave_run, 1)],
        "none": [],
    }
    best = f"{tiny_run.best_test_accuracy:.1%}"
    assert figures.seed_table(groups).to_dict("records") == [
        {"run": "first and last", "seed 0": "10", "seed 1": "not yet run", "seed 2": best, "grok": "1 of 2"},
        {"run": "two", "seed 0": "10", "seed 1": "10", "seed 2": "not yet run", "grok": "2 of 2"},
    ]
    assert figures.seed_table({"one": [wave_run]}).empty


def published_as(run, **changes):
    """The run under a config of the paper's size, so that Table 5 speaks of it."""
    config = RunConfig(**{"operations": ("a+b",), "max_steps": 30, "sustain": 10, "tail": 10, **changes})
    return replace(run, config=config)


def test_the_paper_table_sets_what_happened_beside_table_5(wave_run, tiny_run):
    groups = {
        "grokked in both": [published_as(wave_run)],
        "here alone": [published_as(wave_run, operations=("ab+b",))],
        "in the paper alone": [published_as(tiny_run)],
        "in neither": [published_as(tiny_run, operations=("a^3+ab",))],
        "with its whole budget": [published_as(tiny_run, max_steps=300_000)],
        "another p": [wave_run],
    }
    table = figures.paper_table(groups).set_index("run")
    assert table["agrees"].to_dict() == {
        "grokked in both": "yes",
        "here alone": "no",
        "in the paper alone": "not within 30 steps; the paper had 300,000",
        "in neither": "yes",
        "with its whole budget": "no",
        "another p": "–",
    }
    assert table.loc["in neither", "paper"] == "does not grok, best 4.9 %"
    assert table.loc["grokked in both", "here"].startswith("grokked at step 10")


def test_the_halfway_table_has_the_steps_of_each_number(wave_run):
    (row,) = figures.halfway_table({"waves": [wave_run]}).to_dict("records")
    assert row["FFS W_E"] == f"{wave_run.halfway('ffs_embedding'):,}"


def test_the_spectra_table_measures_the_last_spectra(wave_run):
    (row,) = figures.spectra_table({"waves": [wave_run]}).to_dict("records")
    # One cosine in W_E, one sine in W_L: one of 2K = 10 norms stands out, and all that there is is biased.
    assert (row["FFS W_E"], row["FFS W_L"]) == ("0.10", "0.10")
    assert (row["FCR W_E"], row["weighted FCR W_E"], row["weighted FCR W_L"]) == ("0.80", "0.00", "0.00")


def test_an_empty_table_says_so():
    assert "Nothing to show: no stored run is a row of this table." in figures.table(pd.DataFrame()).data


def test_the_twin_table_has_a_row_for_each_run(grokked_run, tiny_run):
    rows = figures.twin_table({"one": [grokked_run], "two": [tiny_run]}).to_dict("records")
    for row, run in zip(rows, (grokked_run, tiny_run), strict=True):
        config, known = run.config, run.first_step("train_accuracy")
        (operation,) = config.parsed_operations
        of_a, of_b = classes(operation, config.p)
        assert row["values told apart"] == f"{len(set(of_a))} and {len(set(of_b))}"
        share = share_with_twins(operation, config.p, config.fraction, config.seed)
        assert row["test pairs with a twin"] == f"{share:.1%}"
        assert row["train set known"] == ("–" if known is None else f"{known:,}")
    assert (rows[1]["values told apart"], rows[1]["test pairs with a twin"]) == ("7 and 7", "0.0%"), "a+b"
    assert rows[0]["grok step"] == f"{grokked_run.grok_step:,}"
    known = grokked_run.history.set_index("step").loc[grokked_run.first_step("train_accuracy")]
    assert rows[0]["test accuracy then"] == f"{known['test_accuracy']:.1%}"


def test_mixtures_have_no_twins(tiny_mixture):
    with pytest.raises(ValueError, match="for one operation"):
        figures.twin_table({"mixture": [tiny_mixture]})


def test_the_mirror_table_tells_mirror_images_from_the_others(tiny_run):
    config, found = tiny_run.config, by_mirror(tiny_run)
    row, without = figures.mirror_table(
        [tiny_run, replace(tiny_run, config=replace(config, seed=1), kept_weights=None)]
    ).to_dict("records")
    n_test = int((~data.split(config.p**2, config.fraction, config.seed)).sum())
    share = mirrored(config).sum() / n_test
    assert (row["p"], row["seed"], row["mirror images"]) == (7, 0, f"{share:.1%}")
    assert (row["right of these"], row["right of the others"]) == tuple(f"{each:.1%}" for each in found)
    assert (without["right of these"], without["right of the others"]) == ("–", "–")
    assert row["by chance"] == "14.3%"


def test_a_run_on_what_is_not_symmetric_has_no_mirror_images_with_weights_or_without(tiny_transfer):
    for run in (tiny_transfer, replace(tiny_transfer, kept_weights=None)):
        with pytest.raises(ValueError, match="symmetric operations over residues"):
            figures.mirror_table([run])


def test_what_the_paper_s_accuracies_are_without_mirror_images():
    table = figures.paper_mirror_table("a^2+ab+b^2", ["a^3+ab"])
    assert table["r"].tolist() == ["0.3", "0.4", "0.5", "0.6", "0.7"], "it groks with more"
    first = table.iloc[0].to_dict()
    share = 0.3 * 96 / 97
    assert first == {
        "r": "0.3",
        "a²+ab+b²": "34%",
        "without mirror images": f"{(0.34 - share) / (1 - share):.1%}",
        "a³+ab": "4.9%",
    }
