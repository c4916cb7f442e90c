"""The paper's words for polynomials (Tables 1 and 3), computed from the formula, beside the groups of its Table 5.

The published text has the words and has lost the formulas that explain them: the definitions are the ones of
:class:`grokbook.data.polynomials.Kind`, and `terms` says how they make up the words of Table 3.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from grokbook.data.catalogue import CATALOGUE
from grokbook.data.operations import Operation, Polynomial
from grokbook.data.polynomials import Kind
from grokbook.paper.configs import FRACTIONS
from grokbook.paper.results import RECONSTRUCTED_COLUMNS, SECOND_COLUMN, TABLE_1, TABLE_5

_DEGREES: Final = {1: "linear", 2: "quadratic", 3: "cubic", 4: "quartic"}
MEANINGS: Final = {
    Kind.ELEMENTARY: "a+b, a−b or a·b",
    Kind.LINEAR: "degree 1",
    Kind.CROSS: "a·b and terms of degree ≤ 1",
    Kind.UNIVARIATE: "one operand in each term",
    Kind.CROSS_HIGH: "any other with a cross term",
    Kind.POWER_SUM: "±aⁿ ± bⁿ, n ≥ 2",
    Kind.FACTORIZABLE: "a function of a+b or of a−b",
}
"""What makes a kind, in few words; in full in `Kind`."""


def terms(operation: Operation) -> tuple[str, ...]:
    """The words of Table 3 that hold for the operation, from its formula; several may hold.

    The table has a word for each degree from 1 to 4; above, the degree is given as a number. A table has no formula.
    """
    if not isinstance(operation, Polynomial):
        return ()
    if operation.kind is Kind.ELEMENTARY:
        return ("elementary",)
    words = {
        _DEGREES.get(operation.degree, f"degree {operation.degree}"): True,
        "sum of powers": operation.kind is Kind.POWER_SUM,
        "factorizable": operation.factorizable,
        "cross term": operation.has_cross_term and not operation.factorizable,
    }
    return tuple(word for word, holds in words.items() if holds)


def columns(operation: Operation) -> tuple[Kind, ...]:
    """The groups of Table 5 that the operation stands in; none for one that the paper does not have."""
    own = tuple(kind for kind, operations in CATALOGUE.items() if operation in operations)
    second = SECOND_COLUMN.get(str(operation))
    return own if second is None else (*own, second)


def verdict(operation: Operation) -> str:
    """Whether the formula gives the group that the operation stands in."""
    found = columns(operation)
    if not found:
        return "not in the paper"
    wrong = ", ".join(kind.words for kind in found if kind is not operation.kind)
    if operation.kind not in found:
        return f"differs: no {wrong}"
    agrees = "agrees; group reconstructed" if operation.kind in RECONSTRUCTED_COLUMNS else "agrees"
    return f"{agrees}; as {wrong} it differs" if wrong else agrees


class Standing(NamedTuple):
    """How the operations of a kind fare in Table 5, beside the mark of the kind in Table 1."""

    kind: Kind
    marked: bool | None
    """Table 1: whether the kind groks; None where its mark is lost."""
    grok: tuple[Operation, ...]
    """Those that grok at the fraction asked for."""
    fail: tuple[Operation, ...]
    all_from: float | None
    """The smallest fraction of Table 5 at which every one of them groks; None if there is none."""

    @property
    def verdict(self) -> str:
        """Whether Table 5 bears out the mark of Table 1 at this fraction."""
        if self.marked is None:
            return "mark lost"
        against = self.fail if self.marked else self.grok
        return "agrees" if not against else f"not for {', '.join(operation.pretty for operation in against)}"


def standings(operations: Iterable[Operation], fraction: float) -> list[Standing]:
    """One entry for each kind there is among the operations of Table 5, by `Operation.kind`, in Table 5's order.

    ``ValueError``: Table 5 has no such fraction.
    """
    if fraction not in FRACTIONS:
        raise ValueError(f"Table 5 has the fractions {', '.join(map(str, FRACTIONS))}, not {fraction}")
    rows = {operation: TABLE_5[str(operation)] for operation in operations if str(operation) in TABLE_5}
    at, found = FRACTIONS.index(fraction), []
    for kind in CATALOGUE:
        of_kind = {operation: row for operation, row in rows.items() if operation.kind is kind}
        if of_kind:
            grok = tuple(operation for operation, row in of_kind.items() if row[at] is None)
            fail = tuple(operation for operation in of_kind if operation not in grok)
            at_all = zip(FRACTIONS, zip(*of_kind.values(), strict=True), strict=True)
            all_from = next((r for r, values in at_all if set(values) == {None}), None)
            found.append(Standing(kind, TABLE_1[kind], grok, fail, all_from))
    return found
