import inspect
import re
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch

from grokbook.book.workshop import Verdict, beyond, circuit, watch
from grokbook.book.workshop.verdicts import (
    EMPTY,
    SENTENCES,
    Found,
    Unreadable,
    close,
    compare,
    number,
    numbers,
    result,
    right,
    self_check,
    whole_number,
    whole_numbers,
    wrong,
)


def test_a_verdict_is_true_where_the_answer_is_right():
    well, no = Verdict(True, "Well."), Verdict(False, "No.")
    assert well
    assert not no
    assert repr(well) == "✓ Right. Well."
    assert repr(no) == "✗ Not yet. No."
    assert well._repr_markdown_() == "**✓ Right.** Well."


@pytest.mark.parametrize(
    "answer",
    [
        [1, 2.0, 3],
        (1, 2, 3),
        np.array([1, 2, 3]),
        torch.tensor([1.0, 2.0, 3.0], requires_grad=True),
        [torch.tensor(1), torch.tensor(2.0, requires_grad=True), np.float32(3)],
        pd.Series([1, 2, 3], index=[5, 6, 7]),
        range(1, 4),
        {1, 2, 3},
        (i for i in (1, 2, 3)),
        [Fraction(1), Decimal(2), 3],
        {1: 0, 2: 0, 3: 0}.keys(),
        {"a": 1, "b": 2, "c": 3}.values(),
        np.array([1, 2, 3], dtype=object),
        pd.Series([1, 2, 3], dtype=object),
    ],
)
def test_numbers_come_in_many_forms(answer):
    read = numbers(answer)
    assert read.dtype == np.float64
    assert read.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "answer",
    [
        "three",
        None,
        {"a": 1},
        object(),
        [1, "2"],
        [[1], [2, 3]],
        1j,
        print,
        [None],
        Fraction(10**400),
        np.array([None]),
    ],
)
def test_what_is_no_number_is_said_to_be_none(answer):
    with pytest.raises(Unreadable, match="I expect numbers for the list"):
        numbers(answer, "the list")


def test_an_open_gap_within_an_answer_is_noticed():
    for read in (numbers, number, whole_numbers):
        with pytest.raises(Unreadable, match="Nothing here yet"):
            read([1, ...])


def test_one_number_and_whole_numbers():
    assert number(torch.tensor([[2.5]])) == 2.5
    with pytest.raises(Unreadable, match=r"shape \(2,\)"):
        number([1, 2])
    assert whole_numbers(torch.tensor([3.0, 1.0])) == [3, 1]
    assert whole_number([3.0]) == 3
    for bad in ([0.5], [float("nan")], [float("inf")]):
        for read in (whole_number, whole_numbers):
            with pytest.raises(Unreadable, match="whole numbers"):
                read(bad)


def test_what_goes_wrong_in_a_function_is_told():
    assert result(lambda x: x + 1, 2) == 3
    for bad, message in (
        (lambda x: 1 / 0, "Your function raised ZeroDivisionError"),
        (lambda: 1, "raised TypeError"),
        (lambda x: None, "returns nothing"),
        (lambda x: ..., "Nothing here yet"),
        (7, "I expect a function"),
    ):
        with pytest.raises(Unreadable, match=message):
            result(bad, 1)


def test_checks_answer_open_gaps_and_unreadable_answers(monkeypatch):
    monkeypatch.setitem(SENTENCES, "one", {"right": "{answer} it is mod {p}.", "other": "Not {given:.1f}."})

    @self_check
    def one(answer, p) -> Found:
        return right() if number(answer) == 1 else wrong("other", given=number(answer))

    assert one(1, p=5) == Verdict(True, "1 it is mod 5.")
    assert one([2], p=5) == Verdict(False, "Not 2.0.")
    assert one(..., p=5) == one(answer=..., p=5) == Verdict(False, EMPTY)
    assert "cannot read" in one("one", p=5).message


def test_each_check_has_its_sentences_and_finds_each_of_them():
    checks = {
        name: inspect.getsource(value)
        for module in (beyond, circuit, watch)
        for name, value in vars(module).items()
        if getattr(value, "__annotations__", {}).get("return") is Verdict
    }
    assert checks.keys() | {"shared"} == SENTENCES.keys(), "sentences.toml has one part for each self-check"
    for name, source in checks.items():
        keys = SENTENCES[name].keys()
        assert "right" in keys
        assert keys - {"right", "otherwise"} <= set(re.findall(r'"(\w+)"', source)), name


def test_close_means_within_rounding_and_the_same_shape():
    one = np.array([1.0, -2.0])
    assert close(one * 1.0005, one)
    assert not close(one * 1.01, one)
    assert not close(one[:, None], one)
    assert not close(-one, one)
    assert not close(np.array([1.0, np.nan]), one)
    assert close(3 * one, one, scale=True)
    assert not close(-3 * one, one, scale=True)  # up to a positive factor
    assert not close(np.zeros(2), one, scale=True)
    assert close(np.zeros(2), np.zeros(2), scale=True)


def test_comparing_names_the_first_mistake_that_fits():
    mistakes = {"doubled": [2.0, 4.0], "one_number": (3.0, 4.0)}

    def keys(answer) -> tuple[str, ...]:
        return compare(np.asarray(answer, dtype=float), [1.0, 2.0], mistakes).keys

    assert keys([1, 2]) == ("right",)
    assert keys([2, 4]) == ("doubled",)
    assert keys(3) == keys(4) == ("one_number",)
    assert keys([5, 5]) == ("otherwise",)
    assert keys([1, 2, 3]) == ("otherwise", "shape")
    assert keys([1, np.inf]) == ("otherwise", "infinite")
    found = compare(np.ones(3), [1.0, 2.0], mistakes)
    assert SENTENCES["shared"]["shape"].format_map(found.facts) == "I expect the shape (2,); yours has (3,)."
