"""The runs that a chapter shows: those that are stored, and those that it trains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from grokbook.paper import experiments
from grokbook.runs.config import RunConfig
from grokbook.runs.run import Run
from grokbook.runs.store import Store
from grokbook.training.ensure import ensure


@dataclass(frozen=True, repr=False)
class Gathered:
    """The runs that a chapter asks for, and those of them that are there."""

    wanted: tuple[RunConfig, ...]
    """Each once."""
    runs: Mapping[RunConfig, Run]

    def __repr__(self) -> str:
        return f"Gathered({len(self.runs)} of {len(self.wanted)} runs)"

    @property
    def missing(self) -> list[RunConfig]:
        """What is not there, in the order in which it was asked for."""
        return [config for config in self.wanted if config not in self.runs]

    def of(self, configs: Iterable[RunConfig]) -> list[Run]:
        """Those of some runs that are there, in order, each once."""
        return [self.runs[config] for config in dict.fromkeys(configs) if config in self.runs]


def gather(store: Store, configs: Iterable[RunConfig], device: str = "auto", *, train: bool | None = None) -> Gathered:
    """Read what is stored of some runs, and train what is not, as far as that is wanted.

    The runs of experiments (:func:`grokbook.paper.experiments.in_an_experiment`) take up to hours each, hundreds of
    them altogether. A chapter about many of them shows what is stored, and leaves the rest to ``grokbook sweep``.

    So what is not stored is trained if it belongs to no experiment, but one of a reader's parameters; with
    ``train=True`` all of it is, with ``train=False`` nothing. A run that is asked for twice counts once.

    Raises:
        RunsMissing: the store is ``stored_only``, and something is to be trained.
        DamagedRun: a stored run cannot be read.
    """
    wanted = tuple(dict.fromkeys(configs))
    trained = [config for config in wanted if train or (train is None and not experiments.in_an_experiment(config))]
    if trained:
        ensure(trained, device, store=store)
    return Gathered(wanted, {config: store.get(config) for config in wanted if config in store})
