"""What can be said of the kernels without a device; tests/test_cuda.py runs them."""

import subprocess
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

from grokbook.model import kernels

CPU = torch.device("cpu")


class Launched:
    """Stands for a kernel: a launch puts a value into the first argument, or fails."""

    def __init__(self, outcome):
        self.outcome = outcome

    def __getitem__(self, grid):
        def launch(out, *_):
            if isinstance(self.outcome, Exception):
                raise self.outcome
            out.fill_(self.outcome)

        return launch


@pytest.fixture
def trial(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device", lambda _: nullcontext())
    kernels._compiles.cache_clear()
    yield lambda outcome: monkeypatch.setattr(
        kernels, "_source", lambda: SimpleNamespace(sum_entries=Launched(outcome))
    )
    kernels._compiles.cache_clear()


def test_a_device_on_which_the_trial_comes_out_right_gets_the_kernels(trial, recwarn):
    trial(1.0)
    assert kernels._compiles(CPU)
    assert not recwarn.list


@pytest.mark.parametrize(
    ("outcome", "problem"),
    [
        (0.5, "1 times 1 came out as 0.5"),
        (RuntimeError("no C compiler"), "no C compiler"),
        (AssertionError(), "AssertionError"),
    ],
)
def test_any_other_is_told_why_not_once(trial, outcome, problem):
    trial(outcome)
    with pytest.warns(UserWarning, match=f"without Triton, at about half the pace: {problem}"):
        assert not kernels._compiles(CPU)
    assert not kernels._compiles(CPU)


def test_triton_is_not_imported_with_the_package():
    check = "import sys, grokbook.model.kernels; sys.exit('triton' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0


@pytest.mark.parametrize(("n", "blocks"), [(1, 1), (128, 1), (129, 2), (616, 5)])
def test_blocks_cover_all(n, blocks):
    assert kernels._blocks(n, 128) == blocks
