"""Which runs of a chapter are stored, and the commands that train the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from grokbook.data.operations import pretty
from grokbook.figures.groups import Row, as_table, grouped
from grokbook.paper import experiments
from grokbook.paper.gathered import Gathered
from grokbook.runs.config import RunConfig

OTHERS = "others"
MANY = 20
"""How many tasks are told by name."""


@as_table
def stored_table(gathered: Gathered, names: Sequence[str]) -> Iterator[Row]:
    """One row per experiment: how many of a chapter's runs are stored, and which are not.

    Experiments are named as ``grokbook sweep`` takes them. A run counts for the first of them that has its task, at
    whatever modulus, fraction, seed and budget; if there is none, for "others".
    """
    missing = set(gathered.missing)
    for name, wanted in _by_experiment(gathered.wanted, names).items():
        absent = [config for config in wanted if config in missing]
        stored = f"{len(wanted) - len(absent)} of {len(wanted)}"
        yield {"experiment": name, "stored": stored, "not yet run": in_words(absent) or "–"}


def sweep_commands(gathered: Gathered, names: Sequence[str]) -> str:
    """What trains the runs that are not stored, a line for each experiment; see :func:`stored_table`."""
    owners = _by_experiment(gathered.missing, names)
    lines = [experiments.sweep_command(name, left) for name, left in owners.items() if name != OTHERS]
    if OTHERS in owners:
        lines.append("this notebook with train = True: " + in_words(owners[OTHERS]))
    return "\n".join(["Not yet run; trained by:", *lines]) if lines else "All of these runs are stored."


def in_words(configs: Iterable[RunConfig]) -> str:
    """Runs by their tasks, with their moduli, fractions and seeds, each no more than once; of many tasks, the first.

    Such as "a+b; a−b: p = 97, r = 0.3, seed 1; p = 97, r = 0.4, 0.5, seeds 0, 1". Braces hold a mixture.
    """
    settings = grouped((_task(config), (config.p, config.fraction, config.seed)) for config in configs)
    by_setting = grouped((_places(places), label) for label, places in settings.items())
    return ". ".join(f"{_some(labels)}: {places}" for places, labels in by_setting.items())


def _task(config: RunConfig) -> str:
    label = ", ".join(map(pretty, config.operations))
    if len(config.operations) > 1:
        label = f"{{{label}}}"
    elif config.source is not None:
        label = f"{config.module} {pretty(config.source.operations[0])} → {label}"
    return f"{label} [{', '.join(config.unusual)}]" if config.unusual else label


def _some(labels: Sequence[str]) -> str:
    if len(labels) <= MANY:
        return "; ".join(labels)
    return f"{'; '.join(labels[: MANY - 2])} and {len(labels) - MANY + 2} more"


def _places(places: Iterable[tuple[int, float, int]]) -> str:
    """Where runs are missing; fractions and moduli with the same seeds are told in one."""
    seeds_at = grouped(((p, fraction), seed) for p, fraction, seed in dict.fromkeys(places))
    fractions_at = grouped(((p, _list(seeds)), fraction) for (p, fraction), seeds in seeds_at.items())
    moduli_at = grouped(((_list(fractions), seeds), p) for (p, seeds), fractions in fractions_at.items())
    return "; ".join(
        f"p = {_list(moduli)}, r = {fractions}, seed{'s' * (', ' in seeds)} {seeds}"
        for (fractions, seeds), moduli in moduli_at.items()
    )


def _by_experiment(configs: Iterable[RunConfig], names: Sequence[str]) -> dict[str, list[RunConfig]]:
    """Runs under the experiment that they count for, in the order of the names; "others" come last."""
    experiment = {name: experiments.EXPERIMENTS[name] for name in names}
    owners = grouped(
        (next((name for name, each in experiment.items() if each.covers(config)), OTHERS), config) for config in configs
    )
    return {name: owners[name] for name in (*names, OTHERS) if name in owners}


def _list(values: Iterable[int | float]) -> str:
    return ", ".join(f"{value:g}" for value in sorted(values))
