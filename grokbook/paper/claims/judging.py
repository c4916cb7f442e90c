"""A claim of the paper, and what became of it."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from grokbook.paper.claims.criteria import SHIFT, Criterion, Evidence, Verdict, kept, verdict


class Claim(NamedTuple):
    """One claim of the paper: its sentence, where it stands, what it is about, and what it is judged by."""

    name: str
    """By their number: C1, C2 and so on."""
    says: str
    """The claim in one sentence."""
    where: str
    """Where the paper makes it."""
    experiments: tuple[str, ...]
    """What it is about, the one whose figures show it first."""
    criteria: Callable[[Evidence], Iterator[Criterion]]
    """What it is judged by."""
    options: str = ""
    """Options of the command, where it is about a part of the experiments' runs."""

    @property
    def rerun(self) -> str:
        """The command that trains what is missing of its runs."""
        return " ".join(["grokbook sweep", *self.experiments, *self.options.split()])


def claim(
    where: str, *experiments: str, options: str = ""
) -> Callable[[Callable[[Evidence], Iterator[Criterion]]], Claim]:
    """Make a claim of the function that yields its criteria: named as the claim is, with its sentence as docstring.

    What follows the sentence in the docstring, after an empty line, is about how it is judged.
    """

    def made(criteria: Callable[[Evidence], Iterator[Criterion]]) -> Claim:
        says = " ".join((inspect.getdoc(criteria) or "").partition("\n\n")[0].split())
        return Claim(criteria.__name__.upper(), says, where, experiments, criteria, options)

    return made


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What became of a claim."""

    claim: Claim
    criteria: tuple[Criterion, ...]

    @property
    def verdict(self) -> Verdict:
        return verdict(self.criteria)

    @property
    def elsewhere(self) -> dict[str, Verdict]:
        """The verdicts with all limits moved to the strict and to the lenient side, where these are other ones."""
        moved = {"stricter": -SHIFT, "more lenient": SHIFT}
        found = {
            name: verdict([criterion.shifted(share) for criterion in self.criteria]) for name, share in moved.items()
        }
        return {name: other for name, other in found.items() if other is not self.verdict}

    @property
    def kept(self) -> str:
        """How many of its numbers keep their limits, over all criteria and seeds."""
        return kept(self.criteria)

    @property
    def n(self) -> tuple[int, int]:
        """How many seeds have a number: for the criterion with the fewest, and for the one with the most."""
        counts = [len(criterion.numbers) for criterion in self.criteria] or [0]
        return min(counts), max(counts)

    @property
    def seeds(self) -> str:
        """The same in words: "3", or "1 to 3"."""
        least, most = self.n
        return str(most) if least == most else f"{least} to {most}"

    @property
    def disagreeing(self) -> tuple[Criterion, ...]:
        """Criteria that some seeds keep and others do not."""
        return tuple(criterion for criterion in self.criteria if {True, False} <= set(criterion.passed))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "claim": self.claim.name,
            "says": self.claim.says,
            "where": self.claim.where,
            "verdict": self.verdict.value,
            "with limits moved": {name: other.value for name, other in self.elsewhere.items()},
            "n": self.n[0],
            "n at most": self.n[1],
            "rerun": self.claim.rerun,
            "criteria": [_plain(criterion) for criterion in self.criteria],
        }


def _plain(criterion: Criterion) -> dict[str, Any]:
    numbers = criterion.numbers
    return {
        "what": criterion.what,
        "limit": criterion.limit,
        "n": len(criterion.values),
        "median": _number(criterion.median),
        "spread": [_number(min(numbers)), _number(max(numbers))] if numbers else None,
        "values": [
            {"seed": v.seed, "value": _number(v.value), "before training": _number(v.start)} for v in criterion.values
        ],
        "kept": criterion.passed,
    }


def _number(value: float | None) -> float | None:
    """JSON has neither NaN nor infinity."""
    return value if value is not None and math.isfinite(value) else None
