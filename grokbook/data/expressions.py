"""Text of integer polynomials in a and b: reading it into coefficients, arithmetic, and limits.

Written for text from anywhere. Nothing is evaluated, and no expansion starts before its result is known to be
small, so the longest admissible text is read, or refused, in milliseconds.
"""

import re
from typing import Final, NamedTuple, NoReturn

MAX_LENGTH: Final = 200  # characters of an expression, and of a canonical name: it is part of file names
MAX_DEGREE: Final = 32
MAX_TERMS: Final = 64
MAX_SIZE: Final = 10**18  # of the sum of the absolute values of all coefficients
MAX_NESTING: Final = 16

_SUPERSCRIPTS: Final = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_TO_SUPERSCRIPT: Final = str.maketrans("0123456789", _SUPERSCRIPTS)
_FROM_SUPERSCRIPT: Final = str.maketrans(_SUPERSCRIPTS, "0123456789")

Coefficients = dict[tuple[int, int], int]
"""Coefficients by exponents: {(2, 0): 1, (1, 1): -3} is a² - 3ab. No zero is stored."""


def read(text: str) -> Coefficients:
    """The coefficients of the polynomial that `text` spells, zero and constants included.

    ``ValueError``: `text` does not read or exceeds a limit of this module; the message names the column.
    """
    return _Parser(text).parse()


def clip(text: str, place: int, reach: int = 12) -> str:
    """`text` around `place`, quoted, control characters escaped."""
    start, stop = max(0, place - reach), place + reach + 1
    return repr("…" * (start > 0) + text[start:stop] + "…" * (stop < len(text)))


def add(f: Coefficients, g: Coefficients) -> Coefficients:
    """Sum f + g."""
    total = {key: f.get(key, 0) + g.get(key, 0) for key in f | g}
    return {key: coefficient for key, coefficient in total.items() if coefficient}


def scale(f: Coefficients, factor: int) -> Coefficients:
    """Multiple factor · f."""
    return {key: factor * coefficient for key, coefficient in f.items() if factor}


def multiply(f: Coefficients, g: Coefficients) -> Coefficients:
    """Product f · g, expanded."""
    product: Coefficients = {}
    for (i, j), x in f.items():
        for (k, m), y in g.items():
            product[i + k, j + m] = product.get((i + k, j + m), 0) + x * y
    return {key: coefficient for key, coefficient in product.items() if coefficient}


def degree(f: Coefficients) -> int:
    """Total degree; 0 for the zero polynomial."""
    return max((i + j for i, j in f), default=0)


def size(f: Coefficients) -> int:
    """Sum of the absolute coefficients: it bounds each of them, and at most multiplies in a product."""
    return sum(map(abs, f.values()))


def excess(f: Coefficients) -> str:
    """What makes f too large for an operation, in words; empty where nothing does."""
    return _excess(degree(f), size(f)) or (f"more than {MAX_TERMS} terms" if len(f) > MAX_TERMS else "")


def _excess(total_degree: int, total_size: int) -> str:
    """The same from bounds alone, for a product that is not expanded yet."""
    if total_degree > MAX_DEGREE:
        return f"degree {total_degree} is above {MAX_DEGREE}"
    return f"coefficients add up to more than {MAX_SIZE}" if total_size > MAX_SIZE else ""


def to_unicode(text: str) -> str:
    """What a name in ASCII is with superscripts and a true minus sign: a³−2b for ``a^3-2b``."""
    return re.sub(r"\^([0-9]+)", lambda match: match[1].translate(_TO_SUPERSCRIPT), text).replace("-", "−")


class _Token(NamedTuple):
    kind: str  # "number", "power", "end", or one of a b + - * ^ ( )
    text: str
    place: int  # index into the expression


_SIGNS: Final = {"−": "-", "·": "*", "×": "*", "⋅": "*", "**": "^"} | {sign: sign for sign in "ab+-*^()"}
_TOKEN: Final = re.compile(
    rf"(?P<number>[0-9]+)|(?P<power>[{_SUPERSCRIPTS}]+)|(?P<sign>\*\*|[-ab+*^()−·×⋅])|(?P<unknown>[^ \t])"
)


class _Parser:
    """Recursive descent straight to coefficients; the limits are checked before anything is expanded.

    sum = product (("+" | "-") product)*      product = factor ("*"? factor)*      factor = ("+" | "-")* power
    power = atom (("^" | "**") number)?       atom = number | "a" | "b" | "(" sum ")"

    After an omitted "*" comes a, b or "(": 2ab and a(a+b), not a2 or 2 3, which may well be slips for powers.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.depth = 0
        if len(text) > MAX_LENGTH:
            self.fail(f"longer than {MAX_LENGTH} characters", MAX_LENGTH)
        self.tokens = self.tokenise()
        self.position = 0

    def fail(self, problem: str, place: int) -> NoReturn:
        raise ValueError(f"cannot read {clip(self.text, place)}: column {place + 1}: {problem}")

    def tokenise(self) -> list[_Token]:
        tokens = []
        for match in _TOKEN.finditer(self.text):
            if match["unknown"]:
                why = ": a quotient is no polynomial, see Operation.from_table" if match[0] in "/÷:" else ""
                self.fail(f"unexpected character {match[0]!r}{why}", match.start())
            tokens.append(_Token(_SIGNS.get(match[0]) or str(match.lastgroup), match[0], match.start()))
        return [*tokens, _Token("end", "", len(self.text))]

    @property
    def next(self) -> _Token:
        return self.tokens[self.position]

    def take(self, *kinds: str) -> _Token | None:
        """The next token, consumed, if it is of one of these kinds."""
        token = self.next
        if token.kind not in kinds:
            return None
        self.position += 1
        return token

    def expect(self, description: str, *kinds: str) -> _Token:
        token = self.take(*kinds)
        if token is None:
            found = f"found {self.next.text!r}" if self.next.text else "the expression ends"
            self.fail(f"expected {description}, {found}", self.next.place)
        return token

    def number(self, token: _Token, what: str, limit: int) -> int:
        value = int(token.text.translate(_FROM_SUPERSCRIPT))
        if value > limit:
            self.fail(f"{what} above {limit}", token.place)
        return value

    def checked(self, polynomial: Coefficients, token: _Token) -> Coefficients:
        self.refuse(excess(polynomial), token)
        return polynomial

    def refuse(self, problem: str, token: _Token) -> None:
        if problem:
            self.fail(f"too large: {problem}", token.place)

    def parse(self) -> Coefficients:
        polynomial = self.sum()
        self.expect("an operator or the end", "end")
        return polynomial

    def sum(self) -> Coefficients:
        total = self.product()
        while token := self.take("+", "-"):
            right = self.product()
            total = self.checked(add(total, scale(right, -1 if token.kind == "-" else 1)), token)
        return total

    def product(self) -> Coefficients:
        product = self.factor()
        while self.next.kind in ("*", "a", "b", "("):
            token = self.take("*") or self.next
            right = self.factor()
            self.refuse(_excess(degree(product) + degree(right), size(product) * size(right)), token)
            product = self.checked(multiply(product, right), token)
        return product

    def factor(self) -> Coefficients:
        sign = 1
        while token := self.take("+", "-"):
            sign = -sign if token.kind == "-" else sign
        return scale(self.power(), sign)

    def power(self) -> Coefficients:
        base = self.atom()
        token = self.take("^", "power")
        if token is None:
            return base
        number = token if token.kind == "power" else self.expect("a whole number as exponent", "number")
        exponent = self.number(number, "exponent", MAX_DEGREE)
        if self.next.kind in ("^", "power"):
            self.fail("a power of a power needs parentheses", self.next.place)
        self.refuse(_excess(degree(base) * exponent, size(base) ** exponent), token)
        result: Coefficients = {(0, 0): 1}
        for _ in range(exponent):  # checked at each step: (a+b+1)^32 stops at its tenth
            result = self.checked(multiply(result, base), token)
        return result

    def atom(self) -> Coefficients:
        token = self.expect("a number, a, b or '('", "number", "a", "b", "(")
        if token.kind == "number":
            return scale({(0, 0): 1}, self.number(token, "number", MAX_SIZE))
        if token.kind != "(":
            return {(1, 0): 1} if token.kind == "a" else {(0, 1): 1}
        if self.depth == MAX_NESTING:
            self.fail(f"more than {MAX_NESTING} parentheses deep", token.place)
        self.depth += 1
        inner = self.sum()
        self.expect("')'", ")")
        self.depth -= 1
        return inner
