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


@pytest.mark.parametrize(
    ("steps", "verdict"), [((1100.0, 1300.0, 1500.0), "explained"), ((5000.0, 6000.0), "not explained")]
)
def test_grok_steps_decide_on_transfers(tmp_path, steps, verdict):
    assert verdicts(RunStore(tmp_path), [row("a-b", steps)])["C5"] == verdict


def test_an_operation_that_never_groks_is_not_alike(tmp_path):
    two = [row("2a+b", (1100.0, 1300.0)), row("2a-b", (math.inf, math.inf))]
    assert verdicts(RunStore(tmp_path), two)["C14"] == "not explained"
    assert verdicts(RunStore(tmp_path), two[:1])["C14"] == "explained"


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
