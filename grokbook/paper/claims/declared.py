"""What each sub-claim is to be judged by, declared before further runs were trained; see ``declared.toml``."""

from __future__ import annotations

import math
import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import Literal, NamedTuple

HOLDS = (
    *("yes", "larger", "last", "fewer than half", "lower for even n", "lower for odd n", "helps ≤ hurts"),
    "97 does, 59 and 113 do not",
)
"""Limits in words: a comparison, or whether runs grok, which holds or does not."""
_OF_EACH = ("for each n", "in each pair")
_NUMBER = r"([\d./]+|½)"


class Limit(NamedTuple):
    """Where a number has to lie; one of a comparison, or of whether a run groks, is 1 where it holds and 0 else."""

    low: float
    high: float
    open: bool = False
    """Whether the ends are left out."""


class SubClaim(NamedTuple):
    """A part of a claim, with its primary number."""

    claim: str
    part: str
    """A letter; empty where the claim has one part."""
    number: str
    """What is computed, from a run or from all of them."""
    kept: str
    """The limit, in words."""
    runs: int | Literal["all"]
    """The fewest that decide; 0 where the number is one of all runs together, "all" for those of the experiment."""
    turning: int | None = None
    """The fewest at the place where the outcome turns."""

    @property
    def limits(self) -> tuple[Limit, ...]:
        """What is in :attr:`kept`, a limit for each number that it is about.

        Raises:
            ValueError: it says something else.
        """
        parts = [self.kept] if self.kept in HOLDS else re.split(", (?:and )?", self.kept)
        return tuple(_limit(part) for part in parts if part not in _OF_EACH)


@cache
def declared() -> tuple[SubClaim, ...]:
    """All sub-claims, in the order of the claims."""
    table = tomllib.loads(files(__package__).joinpath("declared.toml").read_text("utf8"))
    return tuple(SubClaim(**{"part": "", **entry}) for entry in table["sub_claim"])


def _limit(text: str) -> Limit:
    if text in HOLDS or text == "no":
        return Limit(float(text != "no"), float(text != "no"))
    if match := re.fullmatch(rf"within {_NUMBER}–{_NUMBER}", text):
        return Limit(_number(match[1]), _number(match[2]))
    if match := re.fullmatch(rf"within {_NUMBER} either way", text):
        return Limit(1 / _number(match[1]), _number(match[1]))
    if match := re.fullmatch(rf"(≤|≥|<|>|interval above) {_NUMBER}(?: for .+| at some r)?", text):
        sign, limit = match[1], _number(match[2])
        ends = (-math.inf, limit) if sign in "≤<" else (limit, math.inf)
        return Limit(*ends, open=sign not in "≤≥")
    raise ValueError(f"{text!r} is no limit")


def _number(text: str) -> float:
    """A decimal, or a quotient of two: 1/1.5."""
    whole, _, divisor = text.replace("½", "1/2").partition("/")
    return float(whole) / float(divisor or 1)
