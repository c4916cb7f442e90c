"""What every test needs: one thread, so that workers do not fight, and examples free of the clock."""

import inspect
import os
import tempfile
from collections.abc import Callable

import pytest
import torch
from figure_runs import planted, product, single_frequency
from hypothesis import settings

from grokbook import Operation, Run, RunConfig, RunStore, train
from grokbook.data import Table
from grokbook.fourier import measures
from grokbook.fourier.measures import Measure
from grokbook.fourier.transform import Spectrum
from grokbook.paper import prediction_scores
from grokbook.runs import store as folders
from grokbook.runs.store import STORE_VARIABLE
from grokbook.training import trainer

torch.set_num_threads(1)

# Whatever somebody has trained here, or trains while tests run, the book is that of the published runs: a new run in
# the usual store would have it built anew, under the browser's hands.
_NO_RUNS = tempfile.TemporaryDirectory(prefix="grokbook-no-runs-")
os.environ[STORE_VARIABLE] = _NO_RUNS.name

# A config takes lists and whole floats, as JSON has them, and checks its values itself. The type checks that tests
# add would come first, so that no test could see what a user sees.
RunConfig.__init__ = inspect.unwrap(RunConfig.__init__)

# Shared machines stall; a deadline would report that as a failure. Random test order needs a fixed
# set of examples, or a failure could not be repeated from the printed seed.
settings.register_profile("grokbook", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("grokbook")

TINY = {"p": 7, "fraction": 0.6, "d_model": 16, "n_heads": 2, "d_mlp": 32, "lr": 1e-2}
SHORT = {"max_steps": 30, "eval_every": 10, "sustain": 10, "tail": 10}


@pytest.fixture(scope="session")
def tiny() -> Callable[..., RunConfig]:
    """Configs so small that training takes a fraction of a second; keyword arguments replace their values."""
    return lambda *operations, **changes: RunConfig(operations=operations or ("a+b",), **{**TINY, **SHORT, **changes})


@pytest.fixture(scope="session")
def tiny_run(tiny) -> Run:
    """a+b after 30 steps: memorising, not grokked. Shared between tests: leave it as it is."""
    return train([tiny()], "cpu", progress=False)[0]


@pytest.fixture(scope="session")
def tiny_mixture(tiny) -> Run:
    """Three operations in one run, two of them with an op token of their own beyond p + 4."""
    return train([tiny("a-b", "ab+b", "a^2+b", seed=1)], "cpu", progress=False)[0]


@pytest.fixture(scope="session")
def division() -> Table:
    """a/b mod 7, with a/0 = 0."""
    return Operation.from_function("a/b", lambda a, b: a * pow(b, -1, 7) % 7 if b else 0, 7)


@pytest.fixture(scope="session")
def tiny_table(tiny, division) -> Run:
    """Division beside a polynomial that has no op token of its own either."""
    return train([tiny("ab+b", division)], "cpu", progress=False)[0]


@pytest.fixture(scope="session")
def grokked_run(tiny) -> Run:
    """f(a, b) = a², which generalises within a few dozen steps: it has to learn nothing but to ignore b."""
    return train([tiny("a^2", p=11, fraction=0.8, max_steps=400, sustain=30, tail=50)], "cpu", progress=False)[0]


@pytest.fixture(scope="session")
def tiny_transfer(tiny, tiny_run) -> Run:
    """a-b with the embedding of the tiny a+b run, frozen."""
    config = tiny("a-b", source=tiny_run.config, transplant=("W_E",))
    return train([config], "cpu", sources=[tiny_run], progress=False)[0]


@pytest.fixture
def mine(tmp_path, monkeypatch) -> RunStore:
    """An empty store of one's own, with no published runs behind it."""
    monkeypatch.setattr(folders, "checkout", lambda: None)
    monkeypatch.setenv("GROKBOOK_STORE", str(tmp_path / "runs"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return RunStore(tmp_path / "runs")


@pytest.fixture
def toy_measure(monkeypatch) -> Measure:
    """A measure more than there are, entered in the one place where measures are."""

    def of(spectrum: Spectrum) -> float:
        norms = spectrum.to_rows()[1:]
        return float(norms.min() / norms.max())

    toy = Measure("flatness", of, "Flatness", "of no paper", tolerance=1e-3)
    monkeypatch.setattr(measures, "MEASURES", (*measures.MEASURES, toy))
    return toy


@pytest.fixture
def empty(tmp_path) -> RunStore:
    """An empty store."""
    return RunStore(tmp_path / "runs")


@pytest.fixture
def no_training(monkeypatch) -> None:
    """Any training is a failure."""
    monkeypatch.setattr(trainer, "Stack", lambda *_: pytest.fail("training began"))


@pytest.fixture
def saves_often(monkeypatch) -> None:
    """States are saved at every occasion, and not once a minute."""
    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", 0.0)


@pytest.fixture(scope="module")
def few_resamples():
    """Intervals of scores are good enough with a hundred resamples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prediction_scores, "RESAMPLES", 100)
        yield


@pytest.fixture
def wave_run(tiny) -> Run:
    """A run whose layers and logits are single waves; see `figure_runs`."""
    return planted(tiny)


@pytest.fixture
def product_run(wave_run) -> Run:
    """A run whose embedding is a single wave over log(x + 1); see `figure_runs`."""
    return product(wave_run)


@pytest.fixture(params=["tiny", "mixture", "transfer", "grokked", "table", "planted", "p = 3"])
def any_run(request, tiny, tiny_run, tiny_mixture, tiny_transfer, grokked_run, tiny_table) -> Run:
    """Each kind of run in turn."""
    match request.param:
        case "planted":
            return planted(tiny)
        case "p = 3":
            return single_frequency(tiny)
    return {
        "tiny": tiny_run,
        "mixture": tiny_mixture,
        "transfer": tiny_transfer,
        "grokked": grokked_run,
        "table": tiny_table,
    }[request.param]
