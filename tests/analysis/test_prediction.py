"""What is said of an operation before it is trained: it follows from ρ_sym, and reads as a sentence."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from grokbook.analysis import grok_law, prediction
from grokbook.analysis.grok_law import Law, pairs
from grokbook.analysis.prediction import predict
from grokbook.data import Operation
from grokbook.paper import predictions


def test_it_is_what_the_law_says_of_the_wave_that_one_embedding_can_make():
    found = predict("a-b", 31, 0.8)
    law = prediction.published_law()
    assert (found.rho, found.rho_sym) == pytest.approx((1, 0.5**0.5), abs=1e-3)
    assert found.steps == law.steps(found.rho_sym, pairs(31, 0.8), 0.8)
    assert found.probability == law.probability(found.rho_sym, pairs(31, 0.8), 0.8, prediction.BUDGET)
    assert found.interval == law.interval(found.rho_sym, pairs(31, 0.8), 0.8)


def test_the_published_law_is_that_of_the_cases_beside_it():
    """Which a fit finds again: nobody chose a coefficient by hand."""
    kept = predictions.published("law")
    cases = predictions.cases_in(kept)
    assert len(cases) > 300
    assert grok_law.fit(cases) == pytest.approx(Law(**kept["law"]), rel=2e-3)


def test_the_same_problem_is_named():
    assert predict("a*b + a + b", 11).like == Operation.parse("ab")
    assert predict("a - b", 11).like == Operation.parse("a-b")
    assert predict(Operation.from_function("power", lambda a, b: pow(a + 1, b, 11), 11)).like is None


@pytest.mark.parametrize(
    ("operation", "p", "words"),
    [
        ("a+b", 31, ["a+b modulo 31 is a sum or product in disguise.", "more than 99 %", "80 % between"]),
        ("ab+a+b", 31, ["It is the same problem as a·b."]),
        ("a^2+ab+b^2", 31, ["is no sum or product in disguise", "less than 1 %", "need more than 10,000,000 steps"]),
        ("a^7+b", 7, ["of too high a degree", "no run with p outside 31 to 113"]),
    ],
)
def test_it_reads_as_sentences(operation, p, words):
    text = str(predict(operation, p, 0.7))
    assert [each for each in words if each not in text] == []
    assert "None" not in text


def test_a_table_has_no_formula():
    found = predict(Operation.from_function("largest", max, 7))
    assert found.flat is None
    assert found.p == 7
    assert str(found).startswith("largest modulo 7 is a table.")


def test_plain_values_are_json_and_say_null_where_a_step_is_beyond_all_numbers(monkeypatch):
    monkeypatch.setattr(prediction, "published_law", lambda: Law(1.0, 1e9, 0.0, 1.0))
    plain = json.loads(json.dumps(predict("ab + b", 11).to_dict(), allow_nan=False))
    assert list(plain)[:9] == [
        "operation",
        "p",
        "fraction",
        "flat",
        "rho",
        "rho_sym",
        "probability",
        "steps",
        "interval",
    ]
    assert (plain["operation"], plain["steps"], plain["interval"]) == ("ab+b", None, [None, None])


@pytest.mark.parametrize(
    ("operation", "options", "message"),
    [
        ("2a", {}, "does not depend on b"),
        ("7", {}, "constant"),
        ("a+b", {"p": 91}, "must be prime"),
        ("a+b", {"fraction": 1.0}, "fraction"),
        ("a+b", {"p": 503}, "too large"),
        ("a+c", {}, "column 3"),
        (Operation.from_function("max", max, 7), {"p": 11}, "no labels for p = 11"),
    ],
)
def test_refuses(operation, options, message):
    with pytest.raises(ValueError, match=message):
        predict(operation, **options)


def test_a_search_without_an_end_is_no_correlation(monkeypatch):
    monkeypatch.setattr("grokbook.analysis.waves.STAGES", ((64, 1), (16, 1), (4, 1)))
    with pytest.raises(ValueError, match="did not come to an end"):
        predict("a^2+ab+b^2", 31)


def test_it_takes_neither_torch_nor_scipy():
    """Which would take longer than the prediction."""
    heavy = "{'torch', 'scipy', 'pandas', 'sympy'} & set(sys.modules)"
    code = f"import sys; from grokbook.analysis.prediction import predict; predict('a+b', 7); print({heavy})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
