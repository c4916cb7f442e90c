"""Operations against sympy (algebra), Python integers (evaluation) and hostile text (reading)."""

import pickle
import time
from math import comb

import numpy as np
import pytest
import sympy
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grokbook.data.catalogue import CATALOGUE
from grokbook.data.expressions import MAX_DEGREE, MAX_LENGTH, MAX_NESTING, MAX_SIZE, MAX_TERMS
from grokbook.data.operands import MAX_MODULUS
from grokbook.data.operations import Operation, Polynomial
from grokbook.data.polynomials import Kind, Term

A, B = sympy.symbols("a b")
parse = Operation.parse


def to_sympy(operation: Operation) -> sympy.Poly:
    return sympy.Poly(dict(operation.coefficients), A, B)


COEFFICIENTS = st.integers(-(10**6), 10**6).filter(bool) | st.sampled_from([1, -1, 2])


@st.composite
def polynomials(draw: st.DrawFn, max_degree: int = 6) -> dict[tuple[int, int], int]:
    """Few terms of any shape; half of them f(a±b), which random coefficients would never hit.

    No operations: beartype draws from `random` as it checks one, and no strategy may.
    """
    terms: dict[tuple[int, int], int] = {}
    if draw(st.booleans()):
        sign = draw(st.sampled_from([1, -1]))
        g = draw(st.dictionaries(st.integers(1, min(6, max_degree)), COEFFICIENTS, min_size=1, max_size=3))
        for k, c in g.items():
            terms |= {(k - j, j): c * comb(k, j) * sign**j for j in range(k + 1)}
    else:
        degree = draw(st.integers(1, max_degree))
        power_of_a = st.integers(0, degree)
        terms[degree - draw(power_of_a), 0] = draw(COEFFICIENTS)
        for _ in range(draw(st.integers(0, 4))):
            i = draw(power_of_a)
            terms[i, draw(st.integers(0, degree - i))] = draw(COEFFICIENTS)
    if draw(st.booleans()) or not any(map(any, terms)):
        terms |= {(1, 0): draw(COEFFICIENTS)}
    return terms


# --- reading --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("2a - 3b", "2a-3b"),
        ("b + a", "a+b"),
        ("b-a", "b-a"),
        ("-a + b", "b-a"),
        ("a*b + b", "ab+b"),
        ("b*a", "ab"),
        ("a·b", "ab"),
        (" a × b ", "ab"),
        ("a\t−\tb", "a-b"),
        ("a^2+ab+b^2", "a^2+ab+b^2"),
        ("b²+ab+a²+a", "a^2+ab+b^2+a"),
        ("(a - b)**4", "(a-b)^4"),
        ("(b-a)^3", "-(a-b)^3"),
        ("(a+b)(a+b)", "(a+b)^2"),
        ("a^2+2ab+b^2", "(a+b)^2"),
        ("a + b + (a+b)²", "(a+b)^2+a+b"),
        ("3(a-b)^2 - 2a + 2b + 7", "3(a-b)^2-2a+2b+7"),
        ("-(a+b)^2 + 1", "-(a+b)^2+1"),
        ("(a+b)(a-b)", "a^2-b^2"),
        ("2(a+b)", "2a+2b"),
        ("2a b", "2ab"),
        ("ab^2", "ab^2"),
        ("-a^2", "-a^2"),
        ("-a-b", "-a-b"),
        ("+a - -b", "a+b"),
        ("a*-b", "-ab"),
        ("a*--b", "ab"),
        ("+".join(["(a)"] * 20) + "-b", "20a-b"),
        ("007a", "7a"),
        ("a^0 + a", "a+1"),
        ("(a^2)^3", "a^6"),
        ("0b + a", "a"),
        ("(((a)))", "a"),
        ("a¹²b¹²", "a^12b^12"),
        ("a^3 + ab^2 + b", "a^3+ab^2+b"),
    ],
)
def test_canonical_name(text: str, name: str) -> None:
    assert str(parse(text)) == name
    assert parse(name) == parse(text)
    assert hash(parse(name)) == hash(parse(text))


@pytest.mark.parametrize(("one", "other"), [("a-b", "b-a"), ("ab+a", "ab+b"), ("98a+b", "a+b"), ("a", "b")])
def test_different_polynomials_are_different_operations(one: str, other: str) -> None:
    assert parse(one) != parse(other)


def parsed_or_refused(text: object) -> Operation | None:
    """Nothing but a ValueError may come out of a text."""
    try:
        return parse(text)
    except ValueError:
        return None


def seconds_to_read(text: object) -> float:
    """CPU time, the best of three: neither a busy machine nor a first call counts."""
    times = []
    for _ in range(3):
        start = time.process_time()
        parsed_or_refused(text)
        times.append(time.process_time() - start)
    return min(times)


# A spelling and its meaning, built side by side: text on the left, a sympy expression on the right.
LEAVES = st.sampled_from([("a", A), ("b", B)]) | st.integers(0, 9).map(lambda n: (str(n), sympy.Integer(n)))


def combine(inner: st.SearchStrategy) -> st.SearchStrategy:
    gap = st.sampled_from(["", " "])
    plus = st.tuples(inner, gap, st.sampled_from("+-−"), gap, inner).map(
        lambda t: (f"({t[0][0]}{t[1]}{t[2]}{t[3]}{t[4][0]})", t[0][1] + (1 if t[2] == "+" else -1) * t[4][1])
    )
    times = st.tuples(inner, gap, st.sampled_from("*·×"), gap, inner).map(
        lambda t: (f"{t[0][0]}{t[1]}{t[2]}{t[3]}{t[4][0]}", t[0][1] * t[4][1])
    )
    beside = st.tuples(inner, gap, inner).filter(lambda t: t[2][0][0] in "ab(")
    beside = beside.map(lambda t: (f"{t[0][0]}{t[1]}{t[2][0]}", t[0][1] * t[2][1]))
    power = st.tuples(inner, st.sampled_from(["({})^{}", "({})**{}", "({}) ^ {}"]), st.integers(0, 3)).map(
        lambda t: (t[1].format(t[0][0], t[2]), t[0][1] ** t[2])
    )
    minus = inner.map(lambda t: (f"(-{t[0]})", -t[1]))
    return plus | times | beside | power | minus


@given(st.recursive(LEAVES, combine, max_leaves=6))
@example(("2a^2b", 2 * A**2 * B))
@example(("-a**2*-b", A**2 * B))
@example(("a-b-a*2", -A - B))
def test_reads_what_sympy_means(spelled: tuple[str, sympy.Expr]) -> None:
    text, meaning = spelled
    wanted = sympy.Poly(meaning, A, B)
    if wanted.is_ground:
        with pytest.raises(ValueError, match="constant"):
            parse(text)
    elif wanted.total_degree() <= 6:
        assert to_sympy(parse(text)) == wanted


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("__import__('os')", "column 1: unexpected character '_'"),
        ("a**10**9", "column 6: a power of a power"),
        ("a^999999999999999999999999", "column 3: exponent above 32"),
        ("a;b", "column 2: unexpected character ';'"),
        ("a/b", "column 2: unexpected character '/'"),
        ("c+1", "column 1: unexpected character 'c'"),
        ("a+B", "column 3: unexpected character 'B'"),
        ("a" * 10_000, "column 201: longer than 200 characters"),
        ("(" * 5_000, "column 201: longer than 200 characters"),
        ("(" * 50 + "a" + ")" * 50, "column 17: more than 16 parentheses"),
        ("a\0b", r"column 2: unexpected character '\x00'"),
        ("a\n+b", r"column 2: unexpected character '\n'"),
        ("a+\udc80", r"column 3: unexpected character '\udc80'"),
        ("٣a", "column 1: unexpected character"),  # an Arabic digit: int() would read it
        ("1e5a", "column 2: unexpected character 'e'"),
        ("1.5a", "column 2: unexpected character '.'"),
        ("", "column 1: expected a number, a, b or '(', the expression ends"),
        ("   ", "column 4: expected a number"),
        ("a+", "column 3: expected a number"),
        ("a+*b", "column 3: expected a number, a, b or '(', found '*'"),
        ("(a+b", "column 5: expected ')', the expression ends"),
        ("a)", "column 2: expected an operator or the end, found ')'"),
        ("()a", "column 2: expected a number"),
        ("a2", "column 2: expected an operator or the end, found '2'"),
        ("2 3a", "column 3: expected an operator"),
        ("a^-1", "column 3: expected a whole number as exponent, found '-'"),
        ("a^b", "column 3: expected a whole number as exponent, found 'b'"),
        ("a³³", "column 2: exponent above 32"),
        ("a²^2", "column 3: a power of a power"),
        ("(((a^8)^8))", "column 8: too large: degree 64 is above 32"),
        ("a^20*b^20", "column 5: too large: degree 40"),
        ("9^32a", "column 2: too large: coefficients"),
        ("(a+b+1)^32", "column 8: too large: more than 64 terms"),
        ("(2a+b)^32", "its name would be longer than 200 characters"),
        ("3", "must depend on a or b"),
        ("a-a", "must depend on a or b"),
        ("0", "must depend on a or b"),
        (None, "not from NoneType"),
        (b"a+b", "not from bytes"),
    ],
)
def test_refuses_briefly_and_names_the_place(text: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=r"operation|cannot read") as caught:
        parse(text)
    assert seconds_to_read(text) < 0.25
    assert complaint in str(caught.value)
    assert len(str(caught.value)) < 160
    assert str(caught.value).isprintable()


@given(st.text() | st.text(alphabet="ab019+-*^() ²", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    operation = parsed_or_refused(text)
    assert operation is None or parse(str(operation)) == operation


@pytest.mark.parametrize(
    "text",
    [
        "(a+b+1)^9(a+b+1)^9(a+b+1)^9" + "+(a-b+1)^9" * 17,
        "+".join(["(a+b)^32"] * 22),
        "(a^2+ab+b^2+a+b+1)^4" + "-(a^2+ab+b^2+a+b+1)^4" * 8,
        "-" * 199 + "a",
        "((((((((((((((((a^2)^2)^2)^2)^2)^1)^1)^1)^1)^1)^1)^1)^1)^1)^1)^1)",
        "*".join("a" * 32),
    ],
)
def test_hardest_texts_take_milliseconds(text: str) -> None:
    assert len(text) <= MAX_LENGTH
    assert seconds_to_read(text) < 1  # 25 ms, but beartype looks on and other processes share the caches


def test_limits_are_the_stated_ones() -> None:
    assert parse(f"a^{MAX_DEGREE}").degree == MAX_DEGREE
    assert parse(f"{MAX_SIZE}a").terms == (Term(MAX_SIZE, 1, 0),)
    assert parse("(" * MAX_NESTING + "a" + ")" * MAX_NESTING) == parse("a")
    assert parse("a" + " " * (MAX_LENGTH - 1)) == parse("a")
    for text in (
        f"a^{MAX_DEGREE}b",
        f"{MAX_SIZE}a+b",
        f"{MAX_SIZE + 1}a",
        "(" * (MAX_NESTING + 1) + "a" + ")" * (MAX_NESTING + 1),
        "a" + " " * MAX_LENGTH,
    ):
        with pytest.raises(ValueError, match=r"column \d+"):
            parse(text)
    with pytest.raises(ValueError, match="terms"):
        Operation.from_coefficients({(i, j): 1 for i in range(9) for j in range(9)} | {(i, 9): 1 for i in range(9)})
    assert MAX_TERMS < 90


# --- construction ---------------------------------------------------------------------------------


def test_construction_refuses_what_is_not_canonical() -> None:
    with pytest.raises(ValueError, match="canonical order"):
        Polynomial(terms=(Term(1, 0, 1), Term(1, 1, 0)))
    with pytest.raises(ValueError, match="canonical order"):
        Polynomial(terms=(Term(1, 1, 0), Term(1, 1, 0)))
    with pytest.raises(ValueError, match="canonical order"):
        Polynomial(terms=(Term(0, 1, 0),))
    with pytest.raises(ValueError, match="negative powers"):
        Operation.from_coefficients({(2, -1): 1})
    with pytest.raises(ValueError, match="constant"):
        Operation.from_coefficients({})
    with pytest.raises(TypeError):
        Operation.from_coefficients({(1, 0): 0.5})


def test_is_a_value() -> None:
    operation = parse("a^2 + ab")
    assert pickle.loads(pickle.dumps(operation)) == operation  # noqa: S301 - sweeps send operations to workers
    assert repr(operation) == "Operation.parse('a^2+ab')"
    with pytest.raises(AttributeError):
        operation.terms = ()


# --- evaluation -----------------------------------------------------------------------------------


def exact(operation: Operation, a: int, b: int, p: int) -> int:
    """Big integers all the way: nothing is reduced before the end."""
    return sum(c * a**i * b**j for c, i, j in operation.terms) % p


MODULI = st.sampled_from([2, 3, 97, 113, 10_007, MAX_MODULUS - 1, MAX_MODULUS])  # 2³¹ alone would hide wrap-around


@given(polynomials(), st.integers(-(10**30), 10**30), st.integers(-(10**30), 10**30), MODULI)
def test_integers(polynomial: dict[tuple[int, int], int], a: int, b: int, p: int) -> None:
    operation = Operation.from_coefficients(polynomial)
    assert operation(a, b, p) == exact(operation, a, b, p)


@given(polynomials(max_degree=32), MODULI, st.data())
@settings(max_examples=60)
def test_arrays_and_tensors_do_not_overflow(
    polynomial: dict[tuple[int, int], int], p: int, data: st.DataObject
) -> None:
    operation = Operation.from_coefficients(polynomial)
    pairs = data.draw(st.lists(st.tuples(*[st.integers(-(2**63), 2**63 - 1)] * 2), min_size=1, max_size=8))
    a, b = np.array(pairs).T
    wanted = [exact(operation, x, y, p) for x, y in pairs]
    values = operation(a, b, p)
    assert values.dtype == np.int64
    assert values.tolist() == wanted
    tensor = operation(torch.from_numpy(a.copy()), torch.from_numpy(b.copy()), p)
    assert tensor.dtype == torch.int64
    assert tensor.tolist() == wanted


@pytest.mark.parametrize("name", ["a^32", "(a+b)^32", "(a-b)^32", "1000000000000000000a^16b^16"])
def test_highest_degree_at_largest_prime(name: str) -> None:
    operation, p = parse(name), 10_007
    a = np.arange(p - 40, p)
    wanted = [[exact(operation, int(x), int(y), p) for y in a] for x in a]
    assert operation(a[:, None], a[None, :], p).tolist() == wanted


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "int64"])
def test_small_dtypes_are_widened(dtype: str) -> None:
    operation, p = parse("a^3-2ab+5"), 10_007
    top = np.iinfo(dtype).max
    low = np.iinfo(dtype).min
    wanted = [exact(operation, top, low, p), exact(operation, low, top, p)]
    a, b = np.array([top, low], dtype=dtype), np.array([low, top], dtype=dtype)
    assert operation(a, b, p).tolist() == wanted
    assert operation(torch.from_numpy(a), torch.from_numpy(b), p).tolist() == wanted


def test_uint64_beyond_int64() -> None:
    a = np.array([2**64 - 1], dtype=np.uint64)
    assert parse("a^2+b")(a, a, 97).tolist() == [((2**64 - 1) ** 2 + 2**64 - 1) % 97]


@pytest.mark.parametrize("name", ["a^2", "b", "a+b"])
def test_broadcasts_even_without_an_operand(name: str) -> None:
    a, b = torch.arange(3)[:, None], torch.arange(5)[None, :]
    assert parse(name)(a, b, 97).shape == (3, 5)
    assert parse(name)(a.numpy(), b.numpy(), 97).shape == (3, 5)
    assert parse(name)(a, 4, 97).tolist() == [[exact(parse(name), x, 4, 97)] for x in range(3)]


@pytest.mark.parametrize(
    "operand", [1.0, "1", True, np.array([1.0]), np.array([True]), torch.tensor([1.0]), torch.tensor([True])]
)
def test_refuses_operands_that_are_no_integers(operand: object) -> None:
    with pytest.raises(TypeError, match="integers"):
        parse("a+b")(operand, 1, 97)


def test_refuses_mixed_arrays_and_bad_moduli() -> None:
    with pytest.raises(TypeError, match="mix"):
        parse("a+b")(np.arange(2), torch.arange(2), 97)
    for p in (1, 0, -97, MAX_MODULUS + 1):
        with pytest.raises(ValueError, match="modulus"):
            parse("a+b")(1, 1, p)


# --- writing --------------------------------------------------------------------------------------


@given(polynomials())
def test_names_read_back(polynomial: dict[tuple[int, int], int]) -> None:
    operation = Operation.from_coefficients(polynomial)
    assert parse(str(operation)) == operation
    assert parse(operation.pretty) == operation
    assert " " not in str(operation)


@pytest.mark.parametrize(
    ("text", "pretty"),
    [
        ("a*b", "a·b"),
        ("a-b", "a−b"),
        ("ab+b", "ab+b"),
        ("2a-3b", "2a−3b"),
        ("a^2+ab+b^2", "a²+ab+b²"),
        ("(a+b)^2+a+b", "(a+b)²+a+b"),
        ("(a-b)^12", "(a−b)¹²"),
        ("12a^10-b^2", "12a¹⁰−b²"),
    ],
)
def test_pretty(text: str, pretty: str) -> None:
    assert parse(text).pretty == pretty


# --- algebra --------------------------------------------------------------------------------------


@given(polynomials())
@example(dict(parse("a^2-b^2").coefficients))
@example(dict(parse("a^3+b^3").coefficients))
@example(dict(parse("(a+b)^2+1").coefficients))
@example(dict(parse("a^2b^4").coefficients))
@example(dict(parse("a+b").coefficients))
def test_properties_agree_with_sympy(polynomial: dict[tuple[int, int], int]) -> None:
    operation = Operation.from_coefficients(polynomial)
    f = to_sympy(operation).as_expr()
    assert operation.degree == to_sympy(operation).total_degree()
    assert operation.linear == (operation.degree == 1)
    assert operation.symmetric == (sympy.expand(f - f.subs({A: B, B: A}, simultaneous=True)) == 0)
    assert operation.even_in_a == (sympy.expand(f - f.subs(A, -A)) == 0)
    assert operation.even_in_b == (sympy.expand(f - f.subs(B, -B)) == 0)
    assert operation.has_cross_term == (sympy.diff(f, A, B) != 0)
    # f = g(a+s·b) exactly where moving along (s, -1) changes nothing
    invariant = any(sympy.expand(sympy.diff(f, B) - s * sympy.diff(f, A)) == 0 for s in (1, -1))
    assert operation.factorizable == (invariant and operation.degree >= 2)
    factors = {factor.as_expr() for factor, _ in sympy.factor_list(to_sympy(operation))[1]}
    assert operation.divisible_by_sum == bool(factors & {A + B, -A - B})
    assert operation.divisible_by_difference == bool(factors & {A - B, B - A})


@given(polynomials())
def test_kind_is_consistent_with_the_properties(polynomial: dict[tuple[int, int], int]) -> None:
    operation = Operation.from_coefficients(polynomial)
    kind = operation.kind
    assert operation.factorizable == (kind is Kind.FACTORIZABLE)
    assert (kind in (Kind.CROSS, Kind.CROSS_HIGH, Kind.FACTORIZABLE)) <= operation.has_cross_term
    assert (kind in (Kind.LINEAR, Kind.POWER_SUM, Kind.UNIVARIATE)) <= (not operation.has_cross_term)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("b-a", Kind.LINEAR),
        ("2a+2b", Kind.LINEAR),
        ("a", Kind.LINEAR),
        ("a+b+1", Kind.LINEAR),
        ("2ab", Kind.CROSS),
        ("ab+1", Kind.CROSS),
        ("a^2b^2", Kind.CROSS_HIGH),
        ("a^2+ab", Kind.CROSS_HIGH),
        ("-a^3-b^3", Kind.POWER_SUM),
        ("b^4-a^4", Kind.POWER_SUM),
        ("2a^2+b^2", Kind.UNIVARIATE),
        ("a^2+b^2+1", Kind.UNIVARIATE),
        ("a^2+b^3", Kind.UNIVARIATE),
        ("a^2", Kind.UNIVARIATE),
        ("(a-b)^2-a+b", Kind.FACTORIZABLE),
        ("(a-b)^2+a+b", Kind.CROSS_HIGH),
        ("2a^2+4ab+2b^2+5", Kind.FACTORIZABLE),
    ],
)
def test_kind_at_the_borders(text: str, kind: Kind) -> None:
    assert parse(text).kind is kind


# The columns of the paper's Table 5 by group..
TABLE_5 = {
    Kind.ELEMENTARY: ["a+b", "a-b", "a*b"],
    Kind.LINEAR: ["2a+b", "2a-b", "2a+3b", "2a-3b"],
    Kind.CROSS: ["ab+a+b", "ab+b", "ab-b"],
    Kind.UNIVARIATE: ["a^2+b", "a^2-b", "a^3+2b", "a^3-2b"],
    Kind.CROSS_HIGH: ["a^2+ab+b^2", "a^2+ab+b^2+a", "a^3+ab", "a^3+ab^2+b"],
    Kind.POWER_SUM: ["a^2-b^2", *(f"a^{n}+b^{n}" for n in range(2, 8))],
    Kind.FACTORIZABLE: [
        "(a+b)^2+a+b",
        *(f"(a+b)^{n}" for n in range(2, 8)),
        *(f"(a-b)^{n}" for n in range(2, 5)),
    ],
}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in TABLE_5.items() for text in texts])
def test_operations_of_table_5_are_of_their_columns_kind(kind: Kind, text: str) -> None:
    assert parse(text).kind is kind
    assert parse(text) in CATALOGUE[kind]


def test_catalogue_is_table_5() -> None:
    everything = [operation for group in CATALOGUE.values() for operation in group]
    assert {kind: set(group) for kind, group in CATALOGUE.items()} == {
        kind: set(map(parse, texts)) for kind, texts in TABLE_5.items()
    }
    assert len(everything) == len(set(everything)) == 35
    assert all(operation.symmetric for operation in CATALOGUE[Kind.POWER_SUM] if operation != parse("a^2-b^2"))


def test_a_bijection_in_one_operand_spreads_labels_evenly() -> None:
    """2a-3b takes every residue equally often, a·b gives zero 2p-1 times."""
    p = 13
    a, b = np.divmod(np.arange(p * p), p)
    assert np.bincount(parse("2a-3b")(a, b, p), minlength=p).tolist() == [p] * p
    assert np.bincount(parse("ab")(a, b, p), minlength=p).tolist() == [2 * p - 1] + [p - 1] * (p - 1)
