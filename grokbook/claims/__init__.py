"""The paper's claims, judged by stored runs. What a verdict is, is in :mod:`grokbook.claims.criteria`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from grokbook.claims import learning, spectral
from grokbook.claims.criteria import SEEDS, SHIFT, Criterion, Evidence, Verdict, verdict
from grokbook.store import RunStore

__all__ = ["CLAIMS", "Claim", "Criterion", "Evidence", "Judgement", "Verdict", "count", "judge", "verdict"]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim of the paper."""

    name: str
    """As the specification counts them: C1 to C22."""
    says: str
    """The claim in one sentence."""
    where: str
    """Where the paper makes it."""
    experiments: tuple[str, ...]
    """What ``grokbook sweep`` reruns for it; nothing, if it is not about runs."""
    page: str
    """The chapter whose figures show it."""
    criteria: Callable[[Evidence], Iterator[Criterion]]
    """What it is judged by."""

    @property
    def rerun(self) -> str:
        """The command that runs it again; without any runs, that of its chapter."""
        return f"grokbook sweep {' '.join(self.experiments)}" if self.experiments else f"grokbook notebook {self.page}"


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
    def seeds(self) -> tuple[int, ...]:
        """The seeds with a number for every criterion."""
        each = [{value.seed for value in criterion.values} for criterion in self.criteria]
        return tuple(sorted(set.intersection(*each))) if each else ()

    @property
    def disagreeing(self) -> tuple[Criterion, ...]:
        """Criteria that some seeds keep and others do not."""
        return tuple(criterion for criterion in self.criteria if len(set(criterion.passed)) > 1)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "claim": self.claim.name,
            "says": self.claim.says,
            "where": self.claim.where,
            "verdict": self.verdict.value,
            "with limits moved": {name: other.value for name, other in self.elsewhere.items()},
            "n": len(self.seeds),
            "rerun": self.claim.rerun,
            "criteria": [_plain(criterion) for criterion in self.criteria],
        }


def _plain(criterion: Criterion) -> dict[str, Any]:
    values = [value.value for value in criterion.values]
    return {
        "what": criterion.what,
        "limit": criterion.limit,
        "n": len(values),
        "median": _number(criterion.median),
        "spread": [_number(min(values)), _number(max(values))] if values else None,
        "values": [
            {"seed": v.seed, "value": _number(v.value), "before training": _number(v.start)} for v in criterion.values
        ],
        "kept": criterion.passed,
    }


def _number(value: float | None) -> float | None:
    """JSON has neither NaN nor infinity."""
    return value if value is not None and math.isfinite(value) else None


def _claim(
    name: str,
    says: str,
    where: str,
    experiments: Iterable[str],
    page: str,
    criteria: Callable[[Evidence], Iterator[Criterion]],
) -> Claim:
    return Claim(name=name, says=says, where=where, experiments=tuple(experiments), page=page, criteria=criteria)


CLAIMS: tuple[Claim, ...] = (
    _claim(
        "C1",
        "After grokking a+b, the embedding and the neuron–logit map are sparse in frequency.",
        "§5.1, Fig 3",
        ["elementary"],
        "elementary",
        spectral.c1,
    ),
    _claim(
        "C2",
        "a−b has an embedding as sparse as that of a+b, but an asymmetric, cosine-biased neuron–logit map and logits.",
        "§5.1, Fig 3",
        ["elementary"],
        "elementary",
        spectral.c2,
    ),
    _claim(
        "C3",
        "a·b uses all frequencies, with a bias to cosines, in the embedding and in the neuron–logit map.",
        "§5.2, Fig 3",
        ["elementary"],
        "elementary",
        spectral.c3,
    ),
    _claim(
        "C4",
        "Pre-grokked embeddings of + and − help each other; · and ± hurt each other.",
        "§5, Fig 2",
        ["pregrokked-elementary"],
        "pre_grokked",
        learning.c4,
    ),
    _claim(
        "C5",
        "Pre-grokked transformers of + and · help each other; nothing transfers into or out of −, not even − into −.",
        "§5, Fig 2",
        ["pregrokked-elementary"],
        "pre_grokked",
        learning.c5,
    ),
    _claim(
        "C6",
        "For a−b the restricted loss is far worse than the full loss, and ablating non-key frequencies hurts; for a+b "
        "neither.",
        "Appendix E, Fig 13, Table 4",
        ["restricted-loss"],
        "restricted_loss",
        learning.c6,
    ),
    _claim(
        "C7",
        "Grokking survives a frozen random embedding.",
        "Appendix F, Fig 14",
        ["random-embedding"],
        "random_embedding",
        learning.c7,
    ),
    _claim(
        "C8",
        "A mixture of +, − and · groks together, needs a larger r than each alone, and learns · last.",
        "§5.3, Fig 4",
        ["mixture-elementary", "elementary"],
        "mixtures",
        learning.c8,
    ),
    _claim(
        "C9",
        "The mixture has a sparse embedding and a cosine-biased neuron–logit map; + and − share logit patterns.",
        "§5.3, Fig 4",
        ["mixture-elementary"],
        "mixtures",
        spectral.c9,
    ),
    _claim(
        "C10",
        "a²+b² has a cosine-biased embedding and a sparse neuron–logit map.",
        "§6.1, Fig 6",
        ["simple-polynomials"],
        "polynomials",
        spectral.c10,
    ),
    _claim(
        "C11",
        "a²−b² has a biased and sparse embedding and a sparse neuron–logit map.",
        "§6.1, Fig 6",
        ["simple-polynomials"],
        "polynomials",
        spectral.c11,
    ),
    _claim(
        "C12",
        "ab+a+b looks like a·b, but with sine components.",
        "§6.1, Fig 6",
        ["simple-polynomials", "elementary"],
        "polynomials",
        spectral.c12,
    ),
    _claim(
        "C13",
        "Polynomials with a cross term that do not factor fail; factorizable ones and sums of powers grok.",
        "§6.2, Fig 7",
        ["high-degree"],
        "polynomials",
        learning.c13,
    ),
    _claim(
        "C14",
        "The embedding of + speeds up 2a±b and 2a±3b; the transformer of · speeds up ab±b.",
        "§6.3, Fig 9",
        ["pregrokked-linear"],
        "pre_grokked",
        learning.c14,
    ),
    _claim(
        "C15",
        "FFS falls for ±, FCR for ·, both for ab+b, in step with test accuracy.",
        "§7, Fig 10",
        ["elementary", "progress-measures-ab+b"],
        "progress_measures",
        spectral.c15,
    ),
    _claim(
        "C16",
        "In aⁿ+bⁿ, odd n lowers FFS more, even n lowers FCR more; the neuron–logit map is sparse.",
        "§7, Fig 10",
        ["progress-measures"],
        "progress_measures",
        spectral.c16,
    ),
    _claim(
        "C17",
        "(a+b)ⁿ has a sparse and balanced embedding, with an FCR that falls for even n; its neuron–logit map is like "
        "that of ·.",
        "§7, Appendix H, Fig 19",
        ["progress-measures"],
        "progress_measures",
        spectral.c17,
    ),
    _claim(
        "C18",
        "For a²+ab+b² FFS never moves, and there is no late generalisation.",
        "§7, Fig 10",
        ["progress-measures"],
        "progress_measures",
        spectral.c18,
    ),
    _claim(
        "C19",
        "Mixing in a²+b² and (a+b)² helps a²+ab+b²; mixtures of cubics rise, then stall.",
        "Appendix D, Fig 11 and 12",
        ["mixture-polynomials", "high-degree"],
        "mixtures",
        learning.c19,
    ),
    _claim(
        "C20",
        "Whether a²+ab+b² groks depends on p, not only on the number of pairs.",
        "Appendix J, Fig 20",
        ["modulus"],
        "modulus",
        learning.c20,
    ),
    _claim(
        "C21",
        "The distribution of labels, in training and test, explains none of what groks and what does not.",
        "Appendix K, Fig 21",
        [],
        "labels",
        learning.c21,
    ),
    _claim(
        "C22",
        "Pre-grokked models give no reliable help on quadratics and cubics.",
        "Appendix L, Table 6",
        ["pregrokked-polynomials"],
        "pre_grokked",
        learning.c22,
    ),
)
"""In the order of the specification."""


def judge(store: RunStore, seeds: Iterable[int] = SEEDS) -> list[Judgement]:
    """Judge all claims by the runs in a store; nothing is trained."""
    evidence = Evidence(store, seeds)
    return [Judgement(claim=claim, criteria=tuple(claim.criteria(evidence))) for claim in CLAIMS]


def count(judgements: Iterable[Judgement]) -> dict[Verdict, int]:
    """How many claims have each verdict."""
    counted = Counter(judgement.verdict for judgement in judgements)
    return {each: counted[each] for each in Verdict}
