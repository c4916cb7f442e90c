"""Runs that are there afterwards: read where they are stored, trained where they are missing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from grokbook.errors import RunsMissing
from grokbook.runs.config import RunConfig, lacking, merged
from grokbook.runs.layout import STOPPED_BY_BUDGET
from grokbook.runs.run import Run
from grokbook.runs.store import STORED_ONLY_VARIABLE, FolderStore, Store, default_folders
from grokbook.training.checkpoints import Checkpoints
from grokbook.training.devices import resolve_device
from grokbook.training.locks import RunLocks
from grokbook.training.record import Moment
from grokbook.training.trainer import Trainer

POLL_SECONDS = 1.0
"""How often to look for a run that another process is training."""


def ensure(
    configs: RunConfig | Iterable[RunConfig],
    device: str = "auto",
    *,
    store: Store | None = None,
    slots: int | None = None,
    threads: int = 1,
    progress: bool = True,
    on_evaluation: Callable[[Moment], object] | None = None,
) -> list[Run]:
    """Return runs in order, training (and storing) those that are missing, sources before their heirs.

    A stored run that went further than asked is returned as it is; one that did not go as far goes on, from its last
    state where that is kept. So does one that was interrupted. A run that another process is training is left to it
    and waited for.

    The store is by default :func:`default_store`. Further arguments are those of :func:`grokbook.training.train.train`.

    Raises:
        RunsMissing: the store is ``stored_only`` and lacks some.
        DamagedRun: a stored run cannot be read.
        OSError: the store cannot be written to, or has a run without the weights that others start from; found out
            before any training.
        TrainingDiverged: a loss is not finite. All other runs are trained and stored first.
        KeyboardInterrupt: on Ctrl-C; what was finished is stored, and the message says how to go on.
    """
    store = default_store() if store is None else store
    wanted = [configs] if isinstance(configs, RunConfig) else list(configs)
    resolved = resolve_device(device)
    there = dict.fromkeys(config for config in wanted if config in store)
    distinct = list(dict.fromkeys([*there, *merged(config for config in wanted if config not in there)]))
    left = lacking(distinct, store, store.sources)
    known = _stored(store, distinct, left)
    missing = [config for config in distinct if config not in known]
    if missing and store.stored_only:
        labels = "; ".join(config.label for config in missing)
        raise RunsMissing(f"training is off ({STORED_ONLY_VARIABLE}) and not stored in {store}: {labels}")
    if missing:
        starts = {config.source for config in left}
        store.check(config for config in left if config in starts)
    states = None if store.states is None else Checkpoints(store.states)
    if states is not None:
        _close_states(states, store, known.values())
    try:
        with RunLocks(store.lock, done=lambda config: config not in lacking(distinct, store, store.sources)) as locks:
            trainer = Trainer(
                resolved,
                finished=known,
                on_finish=store.put,
                checkpoints=states,
                locks=locks,
                slots=slots,
                threads=threads,
                progress=progress,
                on_evaluation=on_evaluation,
            )
            _train(store, missing, known, trainer)
    except KeyboardInterrupt:
        to_train = sum(config not in known for config in missing)
        raise KeyboardInterrupt(
            f"interrupted with {to_train} of {len(distinct)} runs still to train. What was finished is kept in "
            f"{store}, and so are the states of runs in progress: repeat the command to go on."
        ) from None
    trained = {(config.name, config.rule): known[config] for config in distinct}
    return [known[config] if config in known else trained[config.name, config.rule] for config in wanted]


def _close_states(states: Checkpoints, store: Store, stored: Iterable[Run]) -> None:
    """Do with states of stored runs what a process that died between storing and this had still to do."""
    with RunLocks(store.lock) as locks:
        for run in stored:
            # A run without weights is a published one, and the state that of its training for those who start from it.
            if run.has_weights and states.has_own(run.config) and locks.take(run.config):
                states.close(run.config, run.steps, keep=run.provenance.get("stopped") == STOPPED_BY_BUDGET)


def _stored(store: Store, configs: Iterable[RunConfig], left: Iterable[RunConfig]) -> dict[RunConfig, Run]:
    """Those of the configs that are stored: as a source, if what is ``left`` to train starts from them."""
    starts = {config.source for config in left}
    views = {config: store.sources if config in starts else store for config in configs}
    return {config: view.get(config) for config, view in views.items() if config in view}


def _train(store: Store, missing: list[RunConfig], known: dict[RunConfig, Run], trainer: Trainer) -> None:
    """Add the missing runs to ``known``: trained here, or read once another process has stored them."""
    waited = False
    while any(config not in known for config in missing):
        left = lacking(missing, store, store.sources)
        sources = [config.source for config in left if config.source is not None]
        known |= _stored(store, [config for config in (*missing, *sources) if config not in known], left)
        before = len(known)
        trainer.train(left)
        if left and len(known) == before:
            if not waited and trainer.progress:
                what = "a run" if len(left) == 1 else f"{len(left)} runs"
                print(f"waiting for {what} that another process is training", file=sys.stderr)
            waited = True
            time.sleep(POLL_SECONDS)


class RunStore(FolderStore):
    """Run folders whose runs are read, written, and trained where they are missing."""

    def ensure(self, configs: RunConfig | Iterable[RunConfig], device: str = "auto", **options: Any) -> list[Run]:
        """:func:`ensure` with this store: its runs in order, trained where they are missing."""
        return ensure(configs, device, store=self, **options)


def default_store() -> RunStore:
    """The store that notebooks and commands use, see :func:`grokbook.runs.store.default_folders`."""
    folders = default_folders()
    return RunStore(folders.path, folders.published, stored_only=folders.stored_only)
