"""The paper's claims, judged by stored runs. What a verdict is, is in :mod:`grokbook.paper.claims.criteria`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from grokbook.paper.claims import learning, spectral, transfers
from grokbook.paper.claims.criteria import SEEDS, Evidence
from grokbook.paper.claims.criteria import Criterion as Criterion
from grokbook.paper.claims.criteria import Verdict as Verdict
from grokbook.paper.claims.criteria import kept as kept
from grokbook.paper.claims.criteria import verdict as verdict
from grokbook.paper.claims.judging import Claim as Claim
from grokbook.paper.claims.judging import Judgement as Judgement
from grokbook.training.ensure import RunStore

CLAIMS: tuple[Claim, ...] = tuple(
    sorted(
        (each for topic in (spectral, transfers, learning) for each in vars(topic).values() if isinstance(each, Claim)),
        key=lambda claim: int(claim.name[1:]),
    )
)
"""In the order of their numbers."""


def judge(store: RunStore, seeds: Iterable[int] = SEEDS, *, about: Iterable[Claim] = CLAIMS) -> list[Judgement]:
    """Judge claims by the runs in a store; nothing is trained."""
    evidence = Evidence(store, seeds)
    return [Judgement(claim=claim, criteria=tuple(claim.criteria(evidence))) for claim in about]


def count(judgements: Iterable[Judgement]) -> dict[Verdict, int]:
    """How many claims have each verdict."""
    found = Counter(judgement.verdict for judgement in judgements)
    return {each: found[each] for each in Verdict}


def counted(judgements: Iterable[Judgement]) -> str:
    """The same in a sentence's words, like "20 reproduced, 2 partly"."""
    return ", ".join(f"{n} {verdict.value}" for verdict, n in count(judgements).items() if n)
