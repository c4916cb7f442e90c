"""Operations that are known by their labels: what they answer, how they are kept, and what is no table."""

import json
import pickle
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grokbook.data import tables
from grokbook.data.operations import Operation
from grokbook.data.polynomials import Kind


def division(p: int) -> Operation:
    return Operation.from_function("a/b", lambda a, b: a * pow(b, -1, p) % p if b else 0, p)


@st.composite
def labels(draw: st.DrawFn) -> np.ndarray:
    p = draw(st.sampled_from([2, 3, 5, 7, 257]))
    seed = draw(st.integers(0, 2**32 - 1))
    table = np.random.default_rng(seed).integers(0, p, (p, p))
    table[0, :2] = 0, 1  # not constant
    return table


@given(
    st.sampled_from([2, 3, 5, 7]),
    st.dictionaries(st.tuples(st.integers(1, 4), st.integers(0, 4)), st.integers(1, 9), min_size=1),
)
def test_a_polynomial_and_the_table_of_its_own_function_have_one_table(p, coefficients):
    polynomial = Operation.from_coefficients(coefficients)
    expected = polynomial.labels(p)
    if (expected == expected[0, 0]).all():
        with pytest.raises(ValueError, match="same label at every pair"):
            Operation.from_function("f", lambda a, b: polynomial(a, b, p), p)
        return
    table = Operation.from_function("f", lambda a, b: polynomial(a, b, p), p)
    assert table.labels(p).tolist() == expected.tolist()
    assert table == Operation.from_table("f", expected)
    assert table != polynomial


@given(labels())
def test_a_table_is_kept_whole(table):
    operation, p = Operation.from_table("f", table), len(table)
    again = Operation.of(json.loads(json.dumps(operation.plain)))
    assert again == operation
    assert hash(again) == hash(operation)
    assert pickle.loads(pickle.dumps(operation)) == operation  # noqa: S301 - sweeps send operations to workers
    assert again.labels(p).tolist() == table.tolist()


@given(labels(), st.randoms(use_true_random=False))
def test_whatever_is_changed_makes_another_table(table, random):
    operation = Operation.from_table("f", table)
    order = list(range(len(table)))
    random.shuffle(order)
    for other in (table[order], table[:, order], np.array(order)[table]):
        permuted = Operation.from_table("f", other)
        same = bool((other == table).all())
        assert (permuted == operation) == (permuted.digest == operation.digest) == same
    renamed = Operation.from_table("g", table)
    assert renamed != operation
    assert renamed.digest == operation.digest


@given(labels(), st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6))
def test_operands_count_mod_p_whatever_they_are(table, a, b):
    operation, p = Operation.from_table("f", table), len(table)
    expected = int(table[a % p, b % p])
    assert operation(a, b, p) == expected
    assert type(operation(a, b, p)) is int
    assert operation(np.array([a, a]), b, p).tolist() == [expected] * 2
    found = operation(torch.tensor([[a]]), torch.tensor([b, b]), p)
    assert (found.dtype, found.tolist()) == (torch.int64, [[expected] * 2])
    assert operation(np.array([a]), np.array([[b]]), p).dtype == np.int64


def test_a_table_says_what_it_is():
    operation = division(5)
    assert (str(operation), operation.pretty, operation.kind) == ("a/b", "a/b", Kind.TABLE)
    assert repr(operation) == f"<table 'a/b', 5 × 5, {operation.digest[:8]}>"
    assert not operation.symmetric
    assert Operation.from_table("max", np.maximum.outer(range(5), range(5))).symmetric
    assert [operation(a, 2, 5) * 2 % 5 for a in range(5)] == list(range(5))


@pytest.mark.parametrize("name", ["terms", "degree", "linear", "coefficients", "outer", "divisible_by_sum"])
def test_what_follows_from_a_formula_is_refused_by_name(name):
    with pytest.raises(AttributeError, match=f"table 'a/b' has no {name}: that follows from a formula"):
        getattr(division(5), name)


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ([[0, 1], [1]], "its rows are not of one length"),
        ([[0, 1, 2], [1, 2, 0]], "must be p × p, with p from 2 to 10007, not 2 × 3"),
        ([0, 1], "not 2"),
        (3, "not one number"),
        ([[0]], "not 1 × 1"),
        (np.zeros((3, 3, 3), int), "not 3 × 3 × 3"),
        ([[0, 1, 2], [1, 3, 0], [2, 0, 9]], "at a = 1, b = 1 stands 3, no whole number in 0..2"),
        ([[0, 1, 2], [1, 2, -1], [2, 0, 1]], "at a = 1, b = 2 stands -1, no whole number in 0..2"),
        ([[0, 0.5], [1, 0]], "at a = 0, b = 1 stands 0.5, no whole number in 0..1"),
        ([[0, float("nan")], [1, 0]], "at a = 0, b = 1 stands nan"),
        ([[0, float("inf")], [1, 0]], "at a = 0, b = 1 stands inf"),
        ([["0", "1"], ["1", "0"]], "its labels must be whole numbers, not <U1"),
        ([[True, False], [False, True]], "its labels must be whole numbers, not bool"),
        ([[0, None], [1, 0]], "its labels must be whole numbers, not object"),
        (torch.ones(3, 3, dtype=torch.int64), "has the same label at every pair"),
    ],
)
def test_what_is_no_table_is_refused_with_the_place(table, complaint):
    with pytest.raises(ValueError, match=re.escape(complaint)) as caught:
        Operation.from_table("f", table)
    assert "table 'f'" in str(caught.value)


@pytest.mark.parametrize("name", ["", " f", "f\n", "\0", "x" * 31, "\udc80"])
def test_names_are_short_and_printable(name):
    with pytest.raises(ValueError, match="a table needs a printable name of 1 to 30 characters") as caught:
        Operation.from_table(name, [[0, 1], [1, 0]])
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["a+b", "b + a", "a·b", "3", "(a)", "2 a²"])
def test_no_table_is_called_like_a_polynomial(name):
    with pytest.raises(ValueError, match="must not read as a polynomial"):
        Operation.from_table(name, [[0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (lambda a, b: a // b, r"no whole number at a = 0, b = 0 \(.*zero\)"),
        (lambda a, b: pow(b, -1, 7) if a else 0, r"no whole number at a = 1, b = 0 \(base is not invertible"),
        (lambda a, b: a / (b + 1), r"no whole number at a = 0, b = 0 \('float'"),
        (lambda a, b: None if b == 2 else 1, r"no whole number at a = 0, b = 2"),
        (lambda a, b: a + b, r"at a = 1, b = 6 stands 7, no whole number in 0\.\.6"),
    ],
)
def test_a_function_that_gives_no_label_is_refused_with_the_place(function, complaint):
    with pytest.raises(ValueError, match=f"table 'f': {complaint}"):
        Operation.from_function("f", function, 7)


def test_other_moduli_and_tokens_have_no_labels():
    operation = division(5)
    with pytest.raises(ValueError, match="table 'a/b' is 5 × 5: it has no labels for p = 7"):
        operation(1, 2, 7)
    with pytest.raises(ValueError, match="for residues alone: operands cannot be 'vocab'"):
        operation.check(5, "vocab")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"labels": division(5).plain["labels"][:-8] + "AAAAAAA="}, "not those of its SHA-256"),
        ({"sha256": "0" * 64}, "not those of its SHA-256"),
        ({"labels": "no base64!"}, "base64"),
        ({"p": 7}, "reshape"),
        ({"extra": 1}, "a table is stored as table, p, labels and sha256, not as"),
        ({"table": "a+b"}, "must not read as a polynomial"),
    ],
)
def test_a_plain_form_that_was_changed_is_refused(change, complaint):
    with pytest.raises(ValueError, match=complaint):
        Operation.of({**division(5).plain, **change})


def test_tables_are_read_from_files(tmp_path):
    table = np.array([[0, 1, 2], [1, 2, 0], [2, 0, 1]])
    np.savetxt(tmp_path / "f.csv", table, fmt="%d", delimiter=",")
    np.save(tmp_path / "f.npy", table)
    for file in ("f.csv", "f.npy"):
        assert Operation.from_table("f", tables.read(tmp_path / file)) == Operation.from_table("f", table)
    np.save(tmp_path / "pickled.npy", np.array([[{}]]), allow_pickle=True)
    (tmp_path / "empty.npy").touch()
    (tmp_path / "words.csv").write_text("0,1\n1,x\n")
    (tmp_path / "ragged.csv").write_text("0,1\n1\n")
    (tmp_path / "empty.csv").touch()
    for file in ("pickled.npy", "empty.npy", "empty.csv", "words.csv", "ragged.csv"):
        with pytest.raises(ValueError, match=re.escape(f"{file}: no table of numbers")):
            tables.read(tmp_path / file)
    with pytest.raises(OSError, match="absent"):
        tables.read(tmp_path / "absent.csv")
