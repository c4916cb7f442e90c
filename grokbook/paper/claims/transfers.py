"""Claims about pre-grokked modules (§5, §6.3, Appendix L)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Unpack

from grokbook import paper
from grokbook.analysis.transfers import decided_speed_up, helped
from grokbook.data.operations import pretty
from grokbook.model.names import MODULES
from grokbook.paper.claims.criteria import Bound, Configs, Criterion, Evidence
from grokbook.paper.claims.judging import claim
from grokbook.paper.configs import Transfer
from grokbook.paper.experiments import EXPERIMENTS, SCALED
from grokbook.runs.config import RunConfig
from grokbook.runs.run import ON_ITS_WAY, Run

HELPS = 1.5
"""A module helps if the run groks at least so many times as fast with it."""
HURTS = 1 / HELPS
"""It hurts if it takes at least so many times as long."""
HALF = 0.5
"""Help is reliable if it comes in more than half of the cases."""


def _heirs(*transfers: Transfer) -> Configs:
    """Targets with a pre-grokked module."""
    return lambda seed: [paper.pre_grokked(transfer, seed=seed) for transfer in transfers]


def _compared(*transfers: Transfer) -> Configs:
    """Of each a target from scratch, the same with a pre-grokked module, and the run that this is taken from."""

    def three(heir: RunConfig, seed: int) -> list[RunConfig]:
        assert heir.source is not None
        return [paper.single(heir.operations[0], seed=seed), heir, heir.source]

    return lambda seed: [config for heir in _heirs(*transfers)(seed) for config in three(heir, seed)]


def _transfer(evidence: Evidence, text: str, **limit: Unpack[Bound]) -> Criterion:
    transfer = Transfer.parse(text)
    return evidence.criterion(
        f"{transfer.label} → {pretty(transfer.target)}: times as fast as from scratch, or a bound",
        _compared(transfer),
        lambda *runs: decided_speed_up(*runs, **limit),
        null=1.0,
        **limit,
    )


@claim("§5, Fig 2", "pregrokked-elementary")
def c4(evidence: Evidence) -> Iterator[Criterion]:
    """Pre-grokked embeddings of + and − help each other; · and ± hurt each other."""
    for text in ("PG-E a+b -> a-b", "PG-E a-b -> a+b"):
        yield _transfer(evidence, text, at_least=HELPS)
    for text in ("PG-E a*b -> a+b", "PG-E a*b -> a-b", "PG-E a+b -> a*b", "PG-E a-b -> a*b"):
        yield _transfer(evidence, text, at_most=HURTS)


@claim("§5, Fig 2", "pregrokked-elementary")
def c5(evidence: Evidence) -> Iterator[Criterion]:
    """Pre-grokked transformers of + and · help each other; nothing transfers into or out of −, not even − into −."""
    for text in ("PG-T a+b -> a*b", "PG-T a*b -> a+b"):
        yield _transfer(evidence, text, at_least=HELPS)
    for text in ("a+b -> a-b", "a*b -> a-b", "a-b -> a+b", "a-b -> a*b", "a-b -> a-b"):
        yield _transfer(evidence, f"PG-T {text}", at_most=HELPS)


@claim("§6.3, Fig 9", "pregrokked-linear")
def c14(evidence: Evidence) -> Iterator[Criterion]:
    """The embedding of + speeds up 2a±b and 2a±3b; the transformer of · speeds up ab±b.

    Each operation is to grok :data:`HELPS` times as fast with its module, and to grok with it at all.
    """
    for text in (*(f"PG-E a+b -> {target}" for target in SCALED), "PG-T a*b -> ab+b", "PG-T a*b -> ab-b"):
        yield _transfer(evidence, text, at_least=HELPS)
        transfer = Transfer.parse(text)
        yield evidence.groks(f"{transfer.label} → {pretty(transfer.target)}", _heirs(transfer))


@claim("Appendix L, Table 6", "pregrokked-polynomials")
def c22(evidence: Evidence) -> Iterator[Criterion]:
    """Pre-grokked models give no reliable help on quadratics and cubics.

    Where nothing is learned with a module or without, it does not help, and is no test of it.
    """
    experiment, steps = EXPERIMENTS["pregrokked-polynomials"], paper.SHORT_BUDGET
    for name, weights in MODULES.items():
        transfers = [transfer for transfer in experiment.transfers if transfer.transplant == weights]
        for which, of_all in (("all cases", True), ("the cases in which a run comes above 90 %", False)):
            yield evidence.criterion(
                f"{name} from a+b, a−b and a·b on quadratics and cubics: share of {which} that help in {steps:,} steps "
                "(or may)",
                _compared(*transfers),
                lambda *runs, of_all=of_all: _share_that_help(runs, HALF, of_all),
                at_most=HALF,
            )


def _share_that_help(runs: Sequence[Run], limit: float, of_all: bool) -> float:
    """Of cases, three runs each as in :func:`_compared`, the share in which the module helps.

    Of all, or of those that tell: in which the run from scratch or the other one comes above
    :data:`grokbook.runs.run.ON_ITS_WAY`. NaN without any, and where undecided cases decide on which side of a limit it
    is.
    """
    cases = [*zip(runs[::3], runs[1::3], runs[2::3], strict=True)]
    counted = [
        helped(*case, at_least=HELPS)
        for case in cases
        if of_all or max(run.best_test_accuracy for run in case[:2]) > ON_ITS_WAY
    ]
    if not counted:
        return math.nan
    least, most = (fmean(each == 1 or (math.isnan(each) and may) for each in counted) for may in (False, True))
    return most if most <= limit else least if least > limit else math.nan
