"""What would count against the predictions of a set, as its file says beforehand, held against its outcomes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from grokbook.data.operations import Operation, pretty
from grokbook.paper.predicted import Predicted
from grokbook.paper.prediction_scores import LAW, Scores


class Criterion(NamedTuple):
    """One thing that would count against a set of predictions."""

    against: str
    found: str
    """What the outcomes say, in words; empty where they say nothing yet."""
    met: bool | None
    """Whether it is so; None as long as runs that are not known could decide it."""


def criteria(name: str, rows: Sequence[Predicted], scores: Scores, known: Sequence[Predicted]) -> list[Criterion]:
    """The criteria of a set, in the order of its file.

    Args:
        name: a key of :data:`grokbook.paper.predictions.SETS`.
        rows: its predictions.
        scores: those of its rows.
        known: runs of which the law knew, which answer for cells that the set leaves out.
    """
    whole = all(row.end is not None for row in rows)
    return list(_CRITERIA[name](rows, scores, known, whole))


_Criteria = Callable[[Sequence[Predicted], Scores, Sequence[Predicted], bool], Iterator[Criterion]]


def _score(scores: Scores, measure: str, against: str, limit: float, whole: bool) -> Criterion:
    value, low, high = scores.estimates[LAW][measure]
    if math.isnan(value):
        return Criterion(against, "", None)
    met = value > limit if measure == "step factor" else value < limit
    return Criterion(against, f"{value:.2f} [{low:.2f}, {high:.2f}]", met if whole else None)


def _cells(
    operations: Sequence[str], fraction: float, rows: Sequence[Predicted], groks: bool
) -> tuple[str, bool | None]:
    """How some operations from scratch ended at a fraction, and whether any of them did, or did not, grok."""
    names = {str(Operation.parse(each)) for each in operations}
    of_all = [row for row in rows if row.operation in names and row.fraction == fraction and row.module is None]
    there = {row.operation: row.end for row in of_all if row.end is not None}
    found = [f"{pretty(name)} {'groks' if end.grokked else 'does not grok'}" for name, end in there.items()]
    if any(end.grokked is groks for end in there.values()):
        return ", ".join(found), True
    return ", ".join(found), False if there.keys() == names else None


def _a(rows: Sequence[Predicted], scores: Scores, known: Sequence[Predicted], whole: bool) -> Iterator[Criterion]:
    yield _score(scores, "AUC", "an AUC below 0.95", 0.95, whole)
    yield _score(scores, "step factor", "a median step factor above 2", 2.0, whole)
    ours, flat = (scores.estimates[each]["AUC"].value for each in (LAW, "flat or not"))
    there = not (math.isnan(ours) or math.isnan(flat))
    said = f"{ours:.2f} against {flat:.2f}" if there else ""
    yield Criterion("an AUC no better than that of being flat", said, ours <= flat if whole and there else None)


def _b(rows: Sequence[Predicted], scores: Scores, known: Sequence[Predicted], whole: bool) -> Iterator[Criterion]:
    yield _score(scores, "AUC", "an AUC below 0.95", 0.95, whole)
    yield _score(scores, "step factor", "a median step factor above 2", 2.0, whole)
    both = [*rows, *(row for row in known if row.seed == 0 and row.p == rows[0].p)]
    for operations, groks, against in (
        (("2a+b", "2a-b", "ab+b", "ab-b"), False, "2a±b or ab±b does not grok with r = 0.5"),
        (("(a+b)^3",), False, "(a+b)³ does not grok with r = 0.5"),
        (("(a-b)^3",), True, "(a−b)³ groks with r = 0.5"),
    ):
        yield Criterion(against, *_cells(operations, 0.5, both, groks))


def _c(rows: Sequence[Predicted], scores: Scores, known: Sequence[Predicted], whole: bool) -> Iterator[Criterion]:
    powers = [row for row in rows if row.operation.startswith("(")]
    ended: dict[tuple[int, int], dict[int, bool]] = {}
    for row in powers:
        if row.end is not None:
            n = int(row.operation.rpartition("^")[2])
            ended.setdefault((row.p, math.gcd(n, row.p - 1)), {})[n] = row.end.grokked
    split = {at: of for at, of in ended.items() if len(set(of.values())) > 1}
    said = "; ".join(f"p = {p}, gcd {gcd}: {_powers(of)}" for (p, gcd), of in (split or ended).items())
    decided = all(row.end is not None for row in powers)
    against = "two powers with one gcd at one prime, of which one groks and the other does not"
    yield Criterion(against, said, True if split else False if decided else None)
    quadratics = [row for row in rows if row.operation == "a^2+ab+b^2" and row.fraction == 0.5]
    there = [row for row in quadratics if row.end is not None]
    said = ", ".join(f"p = {row.p}: {'groks' if row.end and row.end.grokked else 'does not grok'}" for row in there)
    groks = any(row.end is not None and row.end.grokked for row in there)
    met = True if groks else False if len(there) == len(quadratics) else None
    yield Criterion("a²+ab+b² groks with r = 0.5", said, met)


def _powers(ended: Mapping[int, bool]) -> str:
    return ", ".join(f"n = {n} {'groks' if groks else 'does not'}" for n, groks in sorted(ended.items()))


def _e(rows: Sequence[Predicted], scores: Scores, known: Sequence[Predicted], whole: bool) -> Iterator[Criterion]:
    yield _score(scores, "AUC", "an AUC below 0.9", 0.9, whole)


_CRITERIA: Final[Mapping[str, _Criteria]] = {"A": _a, "B": _b, "C": _c, "E": _e}
