"""What one cause would explain: decided by numbers of runs with two embeddings, open without."""

import math

import pytest

from grokbook import RunStore, train
from grokbook.paper import explained
from grokbook.paper.separate import Comparison


def row(operation, steps, others=(1000.0, 1200.0, 1400.0), reference="a+b"):
    return Comparison(operation, reference, 0.5, steps, others)


ONE = [row("a-b", (5000.0, 6000.0, 7000.0)), row("2a+b", (math.inf,))]


def verdicts(store, two=()):
    return {each.claim: each.verdict for each in explained.explained(store, 97, 0.3, ONE, list(two))}


def test_without_runs_of_two_embeddings_everything_is_open(tmp_path):
    found = explained.explained(RunStore(tmp_path), 97, 0.3, ONE, [])
    assert {each.claim: each.verdict for each in found} == dict.fromkeys(["C2", "C6", "C5", "C14"], "open")
    assert {each.claim: list(each.one) for each in found} == {"C2": [], "C6": [], "C5": [5.0], "C14": [math.inf]}


NEAR, FAR = (1100.0, 1300.0, 1500.0), (5000.0, 6000.0, 7000.0)


@pytest.mark.parametrize(
    ("steps", "verdict"),
    [(NEAR, "gone"), (NEAR[:2], "open"), (FAR, "stays"), (FAR[:1], "stays"), ((math.inf,), "stays")],
)
def test_grok_steps_decide_on_transfers(tmp_path, steps, verdict):
    assert verdicts(RunStore(tmp_path), [row("a-b", steps)])["C5"] == verdict


def test_all_operations_must_be_alike(tmp_path):
    names = ("2a+b", "2a-b", "2a+3b", "2a-3b")
    products = [row(name, NEAR, reference="ab") for name in ("ab+b", "ab-b")]
    sums = [row(name, NEAR) for name in names]
    assert verdicts(RunStore(tmp_path), [*sums, *products])["C14"] == "gone"
    assert verdicts(RunStore(tmp_path), sums)["C14"] == "open"
    assert verdicts(RunStore(tmp_path), [row("2a-b", (math.inf, math.inf))])["C14"] == "stays"


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], None), ([0.5], None), ([0.5, 0.4, 0.5], True), ([0.7], False), ([0.7, 0.8, 0.5], False)],
)
def test_a_number_below_its_limit_takes_three_runs(values, expected):
    assert explained._gone(values, 2 / 3) is expected


def test_layers_and_losses_are_those_of_stored_runs_that_grokked(tmp_path, tiny, monkeypatch):
    store = RunStore(tmp_path)
    config = tiny("a-b", p=7, model="separate", fraction=0.6)
    (run,) = train([config], "cpu", progress=False)
    store.put(run)
    monkeypatch.setattr(type(run), "grok_step", 10)
    (share,) = explained.cosine_shares([run])
    (ratio,) = explained.restricted_ratios([run])
    assert 0 < share < 1
    assert ratio > 0
    monkeypatch.setattr(type(run), "grok_step", None)
    assert explained.cosine_shares([run]) == explained.restricted_ratios([run]) == []
