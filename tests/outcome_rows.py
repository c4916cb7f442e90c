"""Outcomes that nobody trained, for the tests of `grokbook.paper.table_5` and of its figures."""

from grokbook import RunConfig, paper, runs
from grokbook.paper.configs import Transfer
from grokbook.runs.outcomes import FACTS, FINAL, Outcome

FINALS = dict.fromkeys((*FINAL, *runs.measured()), 0.25)


def ended(config: RunConfig, end: int | float, **facts) -> Outcome:
    """An outcome: a whole number is a grok step, anything else the best test accuracy of a run that fails."""
    grok_step = end if isinstance(end, int) else None
    return Outcome(
        config=config,
        steps=config.max_steps if grok_step is None else grok_step + config.tail,
        fit_step=100,
        grok_step=grok_step,
        best_test_accuracy=1.0 if isinstance(end, int) else end,
        final=FINALS,
        facts={**dict.fromkeys(FACTS), **facts},
    )


def single(operation: str, *ends: int | float | None, fraction: float = 0.3, **changes) -> list[Outcome]:
    """Outcomes of an operation from scratch, for seeds 0, 1, …; None for one that was not run."""
    configs = (paper.single(operation, fraction=fraction, seed=seed, **changes) for seed in range(len(ends)))
    return [ended(config, end) for config, end in zip(configs, ends, strict=True) if end is not None]


def transfer(text: str, *ends: int | float, fraction: float = 0.3) -> list[Outcome]:
    """The same with a module, as in "PG-E a+b -> 2a+b"."""
    parsed = Transfer.parse(text)
    return [ended(paper.pre_grokked(parsed, fraction=fraction, seed=seed), end) for seed, end in enumerate(ends)]
