from dataclasses import replace

import pytest

from grokbook import DamagedRun, RunStore
from grokbook.analysis import restricted_history
from grokbook.analysis.restricted_history import SUFFIX
from grokbook.errors import RunDiffers


@pytest.fixture(scope="module")
def losses(tiny_run):
    return restricted_history.compute(tiny_run, progress=False)


def found(run, frame):
    return list(restricted_history.problems(run, frame))


def test_a_table_is_kept_beside_its_run_and_read_back(tmp_path, tiny_run, losses):
    store = RunStore(tmp_path / "mine", [tmp_path / "published"])
    assert restricted_history.read(store, tiny_run) is None
    path = restricted_history.keep(tiny_run, tmp_path / "published", progress=False)
    assert path.name == f"{tiny_run.config.name}{SUFFIX}"
    again = restricted_history.read(store, tiny_run)
    assert again.equals(losses)
    assert again.attrs["run"] == tiny_run.config.name
    assert again.attrs["provenance"]["torch"]
    assert found(tiny_run, again) == []
    assert list(store.folders()) == [], "it is no run"


def test_nothing_is_trained_for_a_table_that_is_there(tmp_path, tiny_run, monkeypatch):
    (tmp_path / f"{tiny_run.config.name}{SUFFIX}").touch()
    monkeypatch.setattr(restricted_history, "compute", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(FileExistsError):
        restricted_history.keep(tiny_run, tmp_path)


def test_a_table_that_is_of_another_run_or_no_table_is_refused(tmp_path, tiny_run):
    path = restricted_history.keep(tiny_run, tmp_path, progress=False)
    store = RunStore(tmp_path)
    rows = tiny_run.spectra.neuron_logit.clone()
    rows[-1, 5:7] = 100.0  # frequency 3 alone is key now
    other = replace(tiny_run, spectra=tiny_run.spectra._replace(neuron_logit=rows))
    with pytest.raises(DamagedRun, match="key frequencies"):
        restricted_history.read(store, other)
    whole = path.read_bytes()
    for place in (40, len(whole) // 3):  # inside the pages of numbers
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(DamagedRun, match=rf"{SUFFIX}: unreadable"):
            restricted_history.read(store, tiny_run)
    path.write_bytes(whole[:-9])
    with pytest.raises(DamagedRun, match=rf"{SUFFIX}: unreadable"):
        restricted_history.read(store, tiny_run)


def test_what_does_not_fit_the_run_is_named(tiny_run, losses):
    assert found(tiny_run, losses[losses["step"] > 0]) == ["its steps are not those of the run's spectra"]
    last, full = losses["step"] == tiny_run.steps, losses["left"] == "full"
    raised = losses.copy()
    raised.loc[full & ~last, "test"] *= 2
    assert found(tiny_run, raised) == ["its full test loss is above that of the history"]
    altered = losses.copy()
    altered.loc[last & (losses["left"] == "(d)"), "all"] *= 1.01
    assert found(tiny_run, altered) == ["its last losses are not those of the weights"]
    assert found(replace(tiny_run, kept_weights=None), altered) == [], "without weights nothing is left to compare with"
    altered.attrs = {**altered.attrs, "deviation": 0.02}
    assert found(tiny_run, altered) == [], "a twin has losses of its own"


def test_a_twin_with_other_key_frequencies_is_refused(tiny_run):
    rows = tiny_run.spectra.neuron_logit.clone()
    rows[-1, 1:] = 1.0
    rows[-1, 5:7] = 100.0
    other = replace(tiny_run, spectra=tiny_run.spectra._replace(neuron_logit=rows))
    with pytest.raises(RunDiffers, match="key frequencies"):
        restricted_history.compute(other, progress=False)


def test_runs_without_waves_of_their_own_are_refused_before_training(tiny, tiny_run, tiny_mixture, tiny_transfer):
    for run in (tiny_mixture, tiny_transfer):
        with pytest.raises(ValueError, match="one operation from scratch"):
            restricted_history.compute(run, progress=False)
    with pytest.raises(ValueError, match="waves of its own"):
        restricted_history.compute(replace(tiny_run, config=tiny("a*b")), progress=False)
