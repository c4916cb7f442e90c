from itertools import product

import pytest

from grokbook import RunConfig, paper
from grokbook.data.catalogue import CATALOGUE
from grokbook.data.operations import Operation
from grokbook.model.weights import EMBEDDING
from grokbook.paper import results
from grokbook.paper.configs import Transfer
from grokbook.paper.results import reported, transfer_helps


def test_every_operation_of_table_5_has_its_seven_values():
    operations = {str(operation) for kind in CATALOGUE.values() for operation in kind}
    assert set(results.TABLE_5) == operations
    assert all(len(row) == 7 for row in results.TABLE_5.values())
    for row in results.TABLE_5.values():
        failures = [value for value in row if value is not None]
        assert failures == sorted(failures), "more pairs never hurt in the paper"
        assert row == (*failures, *[None] * (7 - len(failures))), "what groks at a fraction groks at larger ones"


@pytest.mark.parametrize(
    ("operation", "fraction", "text"),
    [
        ("a+b", 0.3, "groks"),
        ("b + a", 0.9, "groks"),
        ("2a+b", 0.4, "does not grok, best 9 %"),
        ("2a+b", 0.5, "groks"),
        ("a^2+ab+b^2", 0.3, "does not grok, best 34 %"),
        ("a^3+ab^2+b", 0.9, "does not grok, best 18 %"),
    ],
)
def test_values_are_those_of_the_paper(operation, fraction, text):
    assert reported(paper.single(operation, fraction=fraction)).text == text


def test_the_paper_is_not_asked_about_other_runs():
    for config in (
        paper.single("a+b", p=59),
        paper.single("a+b", fraction=0.35),
        paper.single("a+7b"),
        paper.single("a+b", frozen=EMBEDDING),
        RunConfig(operations=("a+b", "a-b")),
        paper.pre_grokked(Transfer.parse("PG-E a+b -> a-b")),
        paper.pre_grokked(Transfer.parse("PG-T a+b -> 2a+b")),
        paper.pre_grokked(Transfer.parse("PG-E a+b -> 2a+b"), fraction=0.35),
        paper.pre_grokked(Transfer.parse("PG-E a+b -> 2a+b"), p=59),
    ):
        assert reported(config) is None


def test_table_5_has_columns_with_a_module_and_all_of_them_grok():
    texts = [*(f"PG-E a+b -> {target}" for target in ("2a+b", "2a-b", "2a+3b", "2a-3b")), "PG-T ab -> ab+b"]
    for text, fraction in product([*texts, "PG-T a*b -> ab-b"], paper.FRACTIONS):
        assert reported(paper.pre_grokked(Transfer.parse(text), fraction=fraction)).text == "groks"
    assert len(results.TABLE_5_PRE_GROKKED) == 6
    assert results.TABLE_1_PRE_GROKKED.keys() == {
        Operation.parse(transfer.target).kind for transfer in results.TABLE_5_PRE_GROKKED
    }


@pytest.mark.parametrize(
    ("transfer", "helps"),
    [
        ("PG-E a+b -> a-b", True),
        ("PG-T a-b -> a-b", False),
        ("PG-T a*b -> a+b", True),
        ("PG-E a*b -> a+b", False),
        ("PG-T a*b -> ab-b", True),
        ("PG-E a+b -> a^2+b", None),
    ],
)
def test_what_the_paper_says_of_transfers(transfer, helps):
    assert transfer_helps(paper.pre_grokked(Transfer.parse(transfer))) is helps
    assert transfer_helps(paper.single("a+b")) is None


def test_operations_grok_by_the_row_of_their_fraction():
    operations = [Operation.parse(text) for text in ("a+b", "2a+b", "a+7b")]
    assert list(results.groks(operations, 97, 0.3).values()) == [True, False]
    assert list(results.groks(operations, 97, 0.5).values()) == [True, True]
    assert results.groks(operations, 59, 0.3) == results.groks(operations, 97, 0.35) == {}
