"""Which prompts there are: tokens, sizes of tables and vocabularies, and what makes no data set.

The residues 0..p-1 are their own tokens, then come ``=`` p, ``+`` p+1, ``-`` p+2, ``*`` p+3 and ``/`` p+4. An
elementary operation uses its own sign, any other one ``=``. Of several of these in one run (a mixture) the second takes
p+5, the third p+6, and so on: if they shared a token, one prompt would carry several labels. Where b has tokens of its
own, its residues are p..2p-1, and ``=`` is 2p.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import chain, count
from typing import Any, Final

from grokbook.data.operations import Operation

MAX_MODULUS: Final = 10_007
SPECIAL_TOKENS: Final = ("=", "+", "-", "*", "/")

OPERANDS: Final = ("residues", "vocab")
"""What a and b run over: 0..p-1 (the paper), or 0..p+4, special tokens included (the released code)."""

_OWN_SIGN: Final = {Operation.parse("a+b"): "+", Operation.parse("a-b"): "-", Operation.parse("ab"): "*"}


def n_train(n_pairs: int, fraction: float) -> int:
    """⌊fraction · n_pairs⌋ in exact decimals: 0.29 of 100 is 29, where floats make it 28.99…."""
    return math.floor(Fraction(repr(float(fraction))) * n_pairs)


def n_operands(p: int, operands: str = "residues") -> int:
    """How many values each operand takes: p, or p + 5 with "vocab"."""
    return p + len(SPECIAL_TOKENS) if operands == "vocab" else p


def n_numbers(p: int, own_tokens_of_b: bool = False) -> int:
    """How many tokens stand for residues: p, or 2p where b has tokens of its own."""
    return 2 * p if own_tokens_of_b else p


def op_tokens(operations: Sequence[Operation], p: int, own_tokens_of_b: bool = False) -> tuple[int, ...]:
    """The op token of each operation, in order; see the head of this module."""
    first = n_numbers(p, own_tokens_of_b)
    own = {operation: SPECIAL_TOKENS.index(sign) for operation, sign in _OWN_SIGN.items()}
    others = chain([SPECIAL_TOKENS.index("=")], count(len(SPECIAL_TOKENS)))
    return tuple(first + (own[each] if each in own else next(others)) for each in operations)


def d_vocab(operations: Sequence[Operation], p: int, own_tokens_of_b: bool = False) -> int:
    """Size of the vocabulary: residues, five signs, and one more for each operation without a sign after the first."""
    least = n_numbers(p, own_tokens_of_b) + len(SPECIAL_TOKENS)
    return max(least, *(token + 1 for token in op_tokens(operations, p, own_tokens_of_b)))


def is_prime(n: int) -> bool:
    """Whether n is prime, by trial division (n is at most 10,007 here)."""
    return n >= 2 and all(n % divisor for divisor in range(2, math.isqrt(n) + 1))


def check(operations: Any, p: Any, fraction: Any, seed: Any = 0, operands: Any = "residues") -> None:
    """Refuse what makes no data set, before any work; the arguments may hold anything.

    Args:
        operations: at least one `Operation`, all of different names, none of them constant mod p; tables are p × p.
        p: a prime, 3..10007.
        fraction: of all pairs to train on, in (0, 1), large enough for one pair.
        seed: a whole number from 0.
        operands: "residues" or "vocab", see `OPERANDS`.

    Raises:
        ValueError: says which argument is wrong, and how.
    """
    if isinstance(operations, str | Operation) or not isinstance(operations, Sequence) or not operations:
        raise ValueError("operations must be a non-empty list of operations")
    for k, operation in enumerate(operations):
        if not isinstance(operation, Operation):
            raise ValueError(f"operations must be Operation objects, not {type(operation).__name__}")
        if str(operation) in map(str, operations[:k]):
            raise ValueError(f"operation {operation} is given twice")
    if not _is_int(p) or not 3 <= p <= MAX_MODULUS:
        raise ValueError(f"p must be a prime from 3 to {MAX_MODULUS}, not {p!r}")
    if not is_prime(p):
        raise ValueError(f"p must be prime, {p} is not")
    if operands not in OPERANDS:
        raise ValueError(f"operands must be one of {', '.join(OPERANDS)}, not {operands!r}")
    for operation in operations:
        operation.check(p, operands)
    if not _is_int(seed) or seed < 0:
        raise ValueError(f"seed must be a whole number from 0, not {seed!r}")
    if isinstance(fraction, bool) or not isinstance(fraction, int | float) or not 0 < fraction < 1:
        raise ValueError(f"fraction must lie strictly between 0 and 1, not {fraction!r}")
    n_pairs = n_operands(p, operands) ** 2
    if n_train(n_pairs, fraction) == 0:  # one to test on always stays
        raise ValueError(f"fraction {fraction} of {n_pairs} pairs leaves the train set empty")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
