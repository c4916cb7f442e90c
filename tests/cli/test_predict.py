"""``grokbook predict``: a sentence, JSON, and bad input in one line."""

from __future__ import annotations

import json

import pytest
from commands import assert_short_error, grokbook

from grokbook.analysis import predict


def test_a_prediction_is_printed_as_sentences(mine):
    result = grokbook("predict", "a*b", "--p", "31", "--fraction", "0.8")
    assert result.stdout.strip() == str(predict("a*b", 31, 0.8))
    assert not mine.path.exists()


def test_json_is_printed_and_nothing_else():
    result = grokbook("predict", "-a+b", "--p", "11", "--json")
    assert json.loads(result.stdout) == predict("-a+b", 11).to_dict()


def test_a_table_is_predicted(tmp_path):
    file = tmp_path / "difference.csv"
    file.write_text("\n".join(",".join(str((a - b) % 7) for b in range(7)) for a in range(7)))
    result = grokbook("predict", "--table", str(file))
    assert result.stdout.startswith("difference modulo 7 is a table. It is the same problem as a−b.")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ((), ("name one operation",)),
        (("a+b", "--table", "x.csv"), ("name one operation",)),
        (("2a",), ("does not depend on b",)),
        (("a^2 + 3",), ("does not depend on b",)),
        (("5",), ("constant",)),
        (("a+b", "--p", "91"), ("prime", "91")),
        (("a+b", "--p", "1009"), ("p = 1009 is too large",)),
        (("a+b", "--fraction", "1.5"), ("fraction",)),
        (("--modulus=7",), ("no such option: --modulus=7",)),
        (("a+c",), ("column 3",)),
        (("__import__('os')",), ("column 1",)),
        (("a**10**9",), ()),
        (("(" * 5000,), ()),
        (("--table", "nowhere.csv"), ("nowhere.csv",)),
    ],
)
def test_bad_input_is_one_line(arguments, parts):
    assert_short_error(grokbook("predict", *arguments), 2, *parts)


def test_a_table_of_the_wrong_shape_is_one_line(tmp_path):
    file = tmp_path / "ragged.csv"
    file.write_text("0,1,2\n1,2\n2,0,1\n")
    assert_short_error(grokbook("predict", "--table", str(file)), 2, "ragged.csv", "row 2")
