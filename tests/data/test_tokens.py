import math
from decimal import ROUND_FLOOR, Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from grokbook.data import tokens as prompts
from grokbook.data.catalogue import CATALOGUE
from grokbook.data.operations import Operation
from grokbook.data.polynomials import is_constant

EVERY_OPERATION = [operation for group in CATALOGUE.values() for operation in group]


def parse(*texts: str) -> list[Operation]:
    return [Operation.parse(text) for text in texts]


@pytest.mark.parametrize(
    ("texts", "tokens", "size"),
    [
        (["a+b"], (98,), 102),
        (["a-b"], (99,), 102),
        (["ab"], (100,), 102),
        (["b-a"], (97,), 102),
        (["a^2+b^2"], (97,), 102),
        (["a+b", "a-b", "ab"], (98, 99, 100), 102),
        (["a+b", "ab+b"], (98, 97), 102),
        (["a^2+b^2", "a^2+ab+b^2", "(a+b)^2"], (97, 102, 103), 104),
        (["(a+b)^3", "a+b", "a^3+ab"], (97, 98, 102), 103),
    ],
)
def test_op_tokens(texts: list[str], tokens: tuple[int, ...], size: int) -> None:
    assert prompts.op_tokens(parse(*texts), 97) == tokens
    assert prompts.d_vocab(parse(*texts), 97) == size


@given(st.lists(st.sampled_from(EVERY_OPERATION), min_size=1, max_size=12, unique=True))
def test_tokens_of_a_mixture_are_distinct_and_in_the_vocabulary(operations: list[Operation]) -> None:
    tokens = prompts.op_tokens(operations, 5)
    assert len(set(tokens)) == len(operations)
    assert all(5 <= token < prompts.d_vocab(operations, 5) for token in tokens)
    assert 9 not in tokens  # "/" stays free


@given(st.lists(st.sampled_from(EVERY_OPERATION), min_size=1, max_size=12, unique=True))
def test_tokens_of_b_s_own_come_between_those_of_a_and_the_operations(operations: list[Operation]) -> None:
    shared, own = (prompts.op_tokens(operations, 5, own_tokens_of_b=own) for own in (False, True))
    assert [token - 5 for token in own] == [*shared]
    assert prompts.d_vocab(operations, 5, own_tokens_of_b=True) == prompts.d_vocab(operations, 5) + 5
    assert min(own) >= prompts.n_numbers(5, own_tokens_of_b=True) == 10


@given(st.integers(1, 10_404), st.integers(1, 999))
def test_train_size_is_the_exact_floor(n_pairs: int, thousandths: int) -> None:
    assert prompts.n_train(n_pairs, thousandths / 1000) == n_pairs * thousandths // 1000


@given(st.integers(1, 10_404), st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_train_size_of_any_float(n_pairs: int, fraction: float) -> None:
    wanted = (Decimal(str(fraction)) * n_pairs).to_integral_value(ROUND_FLOOR)
    assert prompts.n_train(n_pairs, fraction) == wanted


def test_train_size_where_floats_slip() -> None:
    assert int(0.29 * 100) == 28
    assert prompts.n_train(100, 0.29) == 29


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"p": 96}, "p must be prime, 96 is not"),
        ({"p": 9409}, "9409 is not"),
        ({"p": 2}, "prime from 3 to 10007, not 2"),
        ({"p": -97}, "not -97"),
        ({"p": 10_009}, "not 10009"),
        ({"p": 97.0}, "not 97.0"),
        ({"p": True}, "not True"),
        ({"p": "97"}, "not '97'"),
        ({"fraction": 0.0}, "between 0 and 1, not 0.0"),
        ({"fraction": 1.0}, "between 0 and 1"),
        ({"fraction": 1}, "between 0 and 1"),
        ({"fraction": -0.3}, "between 0 and 1"),
        ({"fraction": math.nan}, "not nan"),
        ({"fraction": math.inf}, "not inf"),
        ({"fraction": "0.3"}, "not '0.3'"),
        ({"fraction": None}, "not None"),
        ({"fraction": 0.0001}, "0.0001 of 9409 pairs leaves the train set empty"),
        ({"p": 3, "fraction": 0.1}, "of 9 pairs leaves the train set empty"),
        ({"seed": -1}, "seed must be a whole number from 0, not -1"),
        ({"seed": 0.5}, "not 0.5"),
        ({"operands": "tokens"}, "one of residues, vocab, not 'tokens'"),
        ({"operands": None}, "not None"),
        ({"operations": []}, "non-empty list"),
        ({"operations": "a+b"}, "non-empty list"),
        ({"operations": Operation.parse("a+b")}, "non-empty list"),
        ({"operations": None}, "non-empty list"),
        ({"operations": ["a+b"]}, "Operation objects, not str"),
        ({"operations": [None]}, "Operation objects, not NoneType"),
        ({"operations": parse("a+b", "ab", "b+a")}, "operation a+b is given twice"),
        ({"operations": parse("97a+97b")}, "97a+97b has the same value at every pair mod 97: there must be something"),
    ],
)
def test_check_refuses(change: dict[str, object], complaint: str) -> None:
    arguments = {"operations": parse("a+b"), "p": 97, "fraction": 0.3, "seed": 0, "operands": "residues"}
    prompts.check(**arguments)
    with pytest.raises(ValueError, match=r"must|empty|twice") as caught:
        prompts.check(**arguments | change)
    assert complaint in str(caught.value)


@given(st.integers(1, 10**8))
def test_the_test_set_is_never_empty(n_pairs: int) -> None:
    assert prompts.n_train(n_pairs, math.nextafter(1, 0)) == n_pairs - 1


@given(
    st.dictionaries(st.tuples(st.integers(0, 8), st.integers(0, 8)), st.integers(-6, 6), min_size=1, max_size=4),
    st.sampled_from([3, 5, 7]),
)
def test_constant_operations_are_those_with_one_value(coefficients: dict[tuple[int, int], int], p: int) -> None:
    assume(any(c for exponents, c in coefficients.items() if exponents != (0, 0)))  # the parser's own refusal
    operation = Operation.from_coefficients(coefficients)
    values = {operation(a, b, p) for a in range(p) for b in range(p)}
    assert is_constant(operation.coefficients, p) == (len(values) == 1)


def test_fermat_makes_constants() -> None:
    assert is_constant(Operation.parse("a^3 - a + 2").coefficients, 3)
    assert is_constant(Operation.parse("a^3*b - a*b^3").coefficients, 3)
    assert not is_constant(Operation.parse("a^2").coefficients, 3)


def test_primes() -> None:
    sieve = [n for n in range(2, 2000) if not any(n % k == 0 for k in range(2, n))]
    assert [n for n in range(-5, 2000) if prompts.is_prime(n)] == sieve
    assert prompts.is_prime(10_007)
    assert not prompts.is_prime(97 * 97)
