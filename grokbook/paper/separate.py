"""An embedding for each operand: what was predicted of such runs, what became of them, and what that would explain.

With separate embeddings a−b, 2a±b and 2a±3b are the same learning problem as a+b, and ab±b as a·b: their grok steps are
draws of one distribution. Predictions are rows of :mod:`grokbook.paper.predicted`, of the sets ``D-control`` and ``D``.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from grokbook.analysis import pooling
from grokbook.data.operations import Operation
from grokbook.paper.predicted import Predicted
from grokbook.paper.same_task import CHANCE, chance_text, from_scratch, pools
from grokbook.runs.outcomes import Outcome

MODEL: Final = "separate"
SETS: Final = ("D-control", "D")
"""The sets of predictions of such runs."""
SAME: Final[Mapping[str, tuple[str, ...]]] = {
    "a+b": ("a-b", "2a+b", "2a-b", "2a+3b", "2a-3b"),
    "ab": ("ab+b", "ab-b"),
}
"""Operations that separate embeddings make the same problem as the first, and one embedding does not."""


# --- the control ----------------------------------------------------------------------------------


def missed(rows: Iterable[Predicted]) -> dict[float, bool | None]:
    """For each fraction, whether the median grok step lies outside the predicted interval; None while runs are open.

    A run that has not grokked counts as later than all that have.
    """
    at: dict[float, list[Predicted]] = {}
    for row in rows:
        at.setdefault(row.fraction, []).append(row)
    found: dict[float, bool | None] = {}
    for fraction, there in sorted(at.items()):
        inside = [row.inside for row in sorted(there, key=_step)]
        found[fraction] = None if None in inside else not inside[len(inside) // 2]
    return found


def _step(row: Predicted) -> int | float:
    return row.end.steps if row.end is not None and row.end.grokked else float("inf")


def control_sentence(rows: Sequence[Predicted]) -> str:
    """What became of the control, in words, with the declared rule once all its runs are known."""
    known = [row for row in rows if row.end is not None]
    if not known:
        return f"Of the control, a+b with two embeddings, none of {len(rows)} runs is known yet."
    grokked = sum(row.end.grokked for row in known if row.end is not None)
    inside = sum(row.inside is True for row in known)
    verb = "is" if len(known) == 1 else "are"
    says = (
        f"Of the control, a+b with two embeddings, {len(known)} of {len(rows)} runs {verb} known: {grokked} grokked "
        f"within the budget, {inside} ended as the interval of 80 % has it."
    )
    outside = missed(rows)
    if None in outside.values():
        return says
    missing = [f"{fraction:g}" for fraction, out in outside.items() if out]
    if not missing:
        return f"{says} The median lies inside it at every fraction: the prediction holds."
    failed = "fails by its own rule" if len(missing) >= 2 else "holds by its own rule"
    return f"{says} The median lies outside at r = {', '.join(missing)}: the prediction {failed}."


# --- one distribution? ----------------------------------------------------------------------------


class Comparison(NamedTuple):
    """Grok steps of an operation beside those of another one that is to be the same problem, at one fraction."""

    operation: str
    reference: str
    fraction: float
    steps: tuple[int | float, ...]
    """Of its seeds; infinity for one that did not grok."""
    others: tuple[int | float, ...]
    """Of the reference."""

    @property
    def factor(self) -> float:
        """Its median step over that of the reference; NaN where one of the two is not known or did not grok."""
        if not self.steps or not self.others:
            return float("nan")
        one, other = statistics.median(self.steps), statistics.median(self.others)
        return float("nan") if float("inf") in (one, other) else one / other

    @property
    def p_value(self) -> float:
        """How often chance makes two samples of these sizes differ as much; NaN where it cannot tell."""
        return pooling.p_value([self.steps, self.others]) if self.steps and self.others else float("nan")


def comparisons(found: Iterable[Outcome], p: int, model: str, fraction: float | None = None) -> list[Comparison]:
    """Each operation of :data:`SAME` beside its reference, at the fractions at which both are known."""
    known = from_scratch(found, p, model)
    rows = []
    for reference, others in SAME.items():
        for pool in pools([[Operation.parse(name) for name in (reference, *others)]], known):
            if fraction in (None, pool.fraction) and pool.members[reference]:
                times = dict(zip(pool.members, map(tuple, pool.times), strict=True))
                rows += [
                    Comparison(name, reference, pool.fraction, times[name], times[reference])
                    for name in others
                    if times[name]
                ]
    return rows


def one_distribution(rows: Iterable[Comparison]) -> float:
    """How often chance makes operations that are to be one problem differ as much as they do; NaN if it cannot tell.

    Those with one reference and one fraction are compared together.
    """
    samples: dict[tuple[str, float], list[tuple[int | float, ...]]] = {}
    for row in rows:
        samples.setdefault((row.reference, row.fraction), [row.others]).append(row.steps)
    return pooling.combined(map(pooling.p_value, samples.values()))


def distribution_sentence(rows: Sequence[Comparison]) -> str:
    """Whether operations that are to be the same problem grok at the same time, in words."""
    expected = sum(map(len, SAME.values()))
    if not rows:
        return f"None of the {expected} comparisons can be made yet."
    says = f"{len({row.operation for row in rows})} of {expected} operations can be compared with a+b or a·b"
    p_value = one_distribution(rows)
    if p_value != p_value:
        return f"{says}; with so few seeds, chance cannot be told from a difference."
    verdict = (
        "they grok later or sooner than these by more than chance"
        if p_value < CHANCE
        else "chance alone explains how they differ"
    )
    return f"{says}: {verdict} ({chance_text(p_value)})."
