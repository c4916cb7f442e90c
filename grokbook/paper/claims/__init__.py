"""The paper's claims, judged by stored runs. What a verdict is, is in :mod:`grokbook.paper.claims.criteria`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from grokbook.paper.claims import learning, spectral
from grokbook.paper.claims.criteria import SEEDS, SHIFT, Criterion, Evidence, Verdict, verdict
from grokbook.training.store import RunStore

__all__ = [
    "CLAIMS",
    "Claim",
    "Criterion",
    "Evidence",
    "Judgement",
    "Verdict",
    "count",
    "counted",
    "judge",
    "kept",
    "verdict",
]


class Claim(NamedTuple):
    """One claim of the paper."""

    name: str
    """As the specification counts them: C1 to C22."""
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


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "C1",
        "After grokking a+b, the embedding and the neuron–logit map are sparse in frequency.",
        "§5.1, Fig 3",
        ("elementary",),
        spectral.c1,
    ),
    Claim(
        "C2",
        "a−b has an embedding as sparse as that of a+b, but an asymmetric, cosine-biased neuron–logit map and logits.",
        "§5.1, Fig 3",
        ("elementary",),
        spectral.c2,
    ),
    Claim(
        "C3",
        "a·b uses all frequencies, with a bias to cosines, in the embedding and in the neuron–logit map.",
        "§5.2, Fig 3",
        ("elementary",),
        spectral.c3,
    ),
    Claim(
        "C4",
        "Pre-grokked embeddings of + and − help each other; · and ± hurt each other.",
        "§5, Fig 2",
        ("pregrokked-elementary",),
        learning.c4,
    ),
    Claim(
        "C5",
        "Pre-grokked transformers of + and · help each other; nothing transfers into or out of −, not even − into −.",
        "§5, Fig 2",
        ("pregrokked-elementary",),
        learning.c5,
    ),
    Claim(
        "C6",
        "For a−b the restricted loss is far worse than the full loss, and ablating non-key frequencies hurts; for a+b "
        "neither.",
        "Appendix E, Fig 13, Table 4",
        ("restricted-loss",),
        learning.c6,
    ),
    Claim(
        "C7",
        "Grokking survives a frozen random embedding.",
        "Appendix F, Fig 14",
        ("random-embedding",),
        learning.c7,
    ),
    Claim(
        "C8",
        "A mixture of +, − and · groks together, needs a larger r than each alone, and learns · last.",
        "§5.3, Fig 4",
        ("mixture-elementary", "elementary"),
        learning.c8,
    ),
    Claim(
        "C9",
        "The mixture has a sparse embedding and a neuron–logit map that is sparse in its cosines; + and − share "
        "patterns in their 2-D logits.",
        "§5.3, Fig 4",
        ("mixture-elementary",),
        spectral.c9,
    ),
    Claim(
        "C10",
        "a²+b² has a cosine-biased embedding and a sparse neuron–logit map.",
        "§6.1, Fig 6",
        ("simple-polynomials",),
        spectral.c10,
    ),
    Claim(
        "C11",
        "a²−b² has a biased and sparse embedding and a sparse neuron–logit map.",
        "§6.1, Fig 6",
        ("simple-polynomials",),
        spectral.c11,
    ),
    Claim(
        "C12",
        "ab+a+b looks like a·b, but with sine components.",
        "§6.1, Fig 6",
        ("simple-polynomials", "elementary"),
        spectral.c12,
    ),
    Claim(
        "C13",
        "Polynomials with a cross term that do not factor fail; factorizable ones and sums of powers grok.",
        "§6.2, Fig 7",
        ("high-degree", "progress-measures"),
        learning.c13,
    ),
    Claim(
        "C14",
        "The embedding of + speeds up 2a±b and 2a±3b; the transformer of · speeds up ab±b.",
        "§6.3, Fig 9",
        ("pregrokked-linear",),
        learning.c14,
    ),
    Claim(
        "C15",
        "FFS falls for ±, FCR for ·, both for ab+b, in step with test accuracy.",
        "§7, Fig 10",
        ("progress-measures-ab+b", "elementary"),
        spectral.c15,
    ),
    Claim(
        "C16",
        "In aⁿ+bⁿ, odd n lowers FFS more, even n lowers FCR more; the neuron–logit map is sparse.",
        "§7, Fig 10",
        ("progress-measures",),
        spectral.c16,
    ),
    Claim(
        "C17",
        "(a+b)ⁿ has a sparse and balanced embedding, with an FCR that falls for even n; its neuron–logit map is like "
        "that of ·.",
        "§7, Appendix H, Fig 19",
        ("progress-measures",),
        spectral.c17,
    ),
    Claim(
        "C18",
        "For a²+ab+b² FFS never moves, and there is no late generalisation.",
        "§7, Fig 10",
        ("progress-measures",),
        spectral.c18,
    ),
    Claim(
        "C19",
        "Mixing in a²+b² and (a+b)² helps a²+ab+b²; mixtures of cubics rise, then stall.",
        "Appendix D, Fig 11 and 12",
        ("mixture-polynomials", "high-degree"),
        learning.c19,
    ),
    Claim(
        "C20",
        "Whether a²+ab+b² groks depends on p, not only on the number of pairs.",
        "Appendix J, Fig 20",
        ("modulus",),
        learning.c20,
    ),
    Claim(
        "C21",
        "The distribution of labels, in training and test, explains none of what groks and what does not.",
        "Appendix K, Fig 21",
        ("label-distribution", "summary-grid"),
        learning.c21,
        options="--fraction 0.3",
    ),
    Claim(
        "C22",
        "Pre-grokked models give no reliable help on quadratics and cubics.",
        "Appendix L, Table 6",
        ("pregrokked-polynomials",),
        learning.c22,
    ),
)
"""In the order of the specification."""


def judge(store: RunStore, seeds: Iterable[int] = SEEDS, *, about: Iterable[Claim] = CLAIMS) -> list[Judgement]:
    """Judge claims by the runs in a store; nothing is trained."""
    evidence = Evidence(store, seeds)
    return [Judgement(claim=claim, criteria=tuple(claim.criteria(evidence))) for claim in about]


def kept(criteria: Iterable[Criterion]) -> str:
    """How many numbers of some criteria keep their limits, like "3 of 4, 2 undecided"; "–" without any."""
    passed = Counter(each for criterion in criteria for each in criterion.passed)
    n_decided, n_undecided = passed[True] + passed[False], passed[None]
    told = [f"{passed[True]} of {n_decided}"] if n_decided else []
    told += [f"{n_undecided} undecided"] if n_undecided else []
    return ", ".join(told) or "–"


def count(judgements: Iterable[Judgement]) -> dict[Verdict, int]:
    """How many claims have each verdict."""
    found = Counter(judgement.verdict for judgement in judgements)
    return {each: found[each] for each in Verdict}


def counted(judgements: Iterable[Judgement]) -> str:
    """The same in a sentence's words, like "20 reproduced, 2 partly"."""
    return ", ".join(f"{n} {verdict.value}" for verdict, n in count(judgements).items() if n)
