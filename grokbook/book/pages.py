"""Where the book shows what: the page of each experiment, and the heading there. No room before this one knows a page.

Nothing heavy is imported: commands name pages where Jupyter and Sphinx are missing.
"""

from __future__ import annotations

from collections.abc import Mapping
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


EXPERIMENTS: Mapping[str, Place] = {
    "elementary": Place("elementary", "two-layers-in-the-fourier-basis"),
    "pregrokked-elementary": Place("pre_grokked", "every-source-every-target"),
    "restricted-loss": Place("restricted_loss", "keeping-only-some-parts"),
    "random-embedding": Place("random_embedding", "grokking-without-a-learned-embedding"),
    "mixture-elementary": Place("mixtures", "three-operations-in-one-run"),
    "simple-polynomials": Place("polynomials", "which-of-them-grok"),
    "high-degree": Place("polynomials", "which-of-them-grok"),
    "pregrokked-linear": Place("pre_grokked", "linear-expressions"),
    "progress-measures": Place("progress_measures", "sums-of-powers"),
    "progress-measures-ab+b": Place("progress_measures", "elementary-operations"),
    "mixture-polynomials": Place("mixtures", "mixtures-of-polynomials"),
    "summary-grid": Place("summary", "the-grid"),
    "modulus": Place("modulus", "accuracy-against-the-number-of-pairs"),
    "operand-range": Place("deviations", "does-the-range-of-operands-matter"),
    "pregrokked-polynomials": Place("pre_grokked", "quadratic-and-cubic-polynomials"),
    "label-distribution": Place("labels", "how-train-and-test-labels-differ"),
    "taxonomy": Place("labels", "what-the-formula-says"),
}
"""By the names of :data:`grokbook.paper.experiments.EXPERIMENTS`."""


def of_claim(claim: Claim) -> Place:
    """Where the figures of a claim are: those of its first experiment."""
    return EXPERIMENTS[claim.experiments[0]]


def judgements(store: RunStore, page: str) -> list[Judgement]:
    """What became of the claims whose figures a page shows, by the runs in a store; nothing is trained."""
    from grokbook.paper import claims

    return claims.judge(store, about=[claim for claim in claims.CLAIMS if of_claim(claim).page == page])
