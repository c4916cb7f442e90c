"""What each sub-claim is to be judged by, declared before further runs were trained; see ``declared.toml``."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Literal, NamedTuple


class SubClaim(NamedTuple):
    """A part of a claim, with its primary number."""

    claim: str
    number: str
    """What is computed, from a run or from all of them."""
    kept: str
    """The limit, in words."""
    runs: int | Literal["all"]
    """The fewest that decide; 0 where the number is one of all runs together, "all" for those of the experiment."""
    part: str = ""
    """A letter; empty where the claim has one part."""
    turning: int | None = None
    """The fewest at the place where the outcome turns."""


@cache
def declared() -> tuple[SubClaim, ...]:
    """All sub-claims, in the order of the claims."""
    table = tomllib.loads(files(__package__).joinpath("declared.toml").read_text("utf8"))
    return tuple(SubClaim(**entry) for entry in table["sub_claim"])
