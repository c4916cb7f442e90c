"""Where the book shows what: the page of each experiment, and the heading there. No room before this one knows a page.

Nothing heavy is imported: commands name pages where Jupyter and Sphinx are missing.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from grokbook.paper.claims import Claim, Judgement
    from grokbook.training.ensure import RunStore


class Place(NamedTuple):
    """A heading of a page of the book."""

    page: str
    """A notebook, without its suffix."""
    anchor: str
    """Of the heading, as docutils makes it."""

    @property
    def address(self) -> str:
        """Where a page beside it links to."""
        return f"{self.page}.html#{self.anchor}"

    @property
    def title(self) -> str:
        """The page as a sentence names it, like "pre-grokked"."""
        return self.page.replace("pre_", "pre-").replace("_", " ")


_TABLE = tomllib.loads(files(__package__).joinpath("pages.toml").read_text("utf8"))
EXPERIMENTS: Mapping[str, Place] = {name: Place(**place) for name, place in _TABLE.items()}
"""By the names of :data:`grokbook.paper.experiments.EXPERIMENTS`."""


def of_claim(claim: Claim) -> Place:
    """Where the figures of a claim are: those of its first experiment."""
    return EXPERIMENTS[claim.experiments[0]]


def judgements(store: RunStore, page: str) -> list[Judgement]:
    """What became of the claims whose figures a page shows, by the runs in a store; nothing is trained."""
    from grokbook.paper import claims

    return claims.judge(store, about=[claim for claim in claims.CLAIMS if of_claim(claim).page == page])
