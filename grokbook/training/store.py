"""A content-addressed store of finished runs.

Each run is a folder named by its config (:attr:`grokbook.RunConfig.name`), complete or absent: it is written
beside its place and appears by one rename. Nothing is ever overwritten.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from grokbook import runs
from grokbook.errors import RunsMissing
from grokbook.runs import disk
from grokbook.runs.config import RunConfig
from grokbook.runs.folders import STORED_ONLY_VARIABLE, RunFolders, default_folders
from grokbook.runs.run import STOPPED_BY_BUDGET, Run
from grokbook.training.checkpoints import Checkpoints
from grokbook.training.devices import resolve_device
from grokbook.training.locks import RunLocks
from grokbook.training.record import Moment
from grokbook.training.trainer import Trainer

POLL_SECONDS = 1.0
"""How often to look for a run that another process is training."""
RUN_BYTES = 4_000_000
"""Space for a run, or more, that must be free before one is trained."""
_WRITING = ".writing-"
_LONG_DEAD_SECONDS = 3600.0  # writing a run takes a fraction of a second


class RunStore(RunFolders):
    """Run folders whose runs are read, written, and trained where they are missing."""

    @property
    def whole(self) -> RunStore:
        """See :attr:`grokbook.runs.folders.RunFolders.whole`."""
        return RunStore(self.path, self.published, stored_only=self.stored_only, whole=True)

    def get(self, config: RunConfig) -> Run:
        """Read a run.

        Raises:
            KeyError: it is not stored.
            DamagedRun: it is, but a file is missing, altered or unreadable.
        """
        folder = self.folder(config)
        if folder is None:
            raise KeyError(f"no stored run of {config.label} ({config.name})")
        return runs.read(folder)

    def stored(self, configs: Iterable[RunConfig]) -> list[Run]:
        """Those of some runs that are stored, in order; nothing is trained. ``DamagedRun`` as :meth:`get` raises it."""
        return [self.get(config) for config in configs if config in self]

    def put(self, run: Run) -> Path:
        """Store a run by one atomic rename; if it is there already, the stored one stays.

        Raises:
            OSError: it cannot be written, for want of space, say; the store is as it was before.
        """
        final = self.path / run.config.name
        if final.exists():
            return final
        temporary = None
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(prefix=_WRITING, dir=self.path))
            runs.write(run, temporary)
            temporary.chmod(0o755)
            for path in (*temporary.iterdir(), temporary):
                disk.flush(path)
            temporary.rename(final)
            disk.flush(self.path)
        except OSError as error:
            if not final.exists():  # else another process stored the same run first
                raise OSError(f"cannot store {run.config.label}: {error.strerror or error}") from error
        finally:
            if temporary is not None:
                shutil.rmtree(temporary, ignore_errors=True)
        return final

    def check_places(self, to_train: Iterable[RunConfig]) -> None:
        """Raise ``FileExistsError`` where a run is to be trained whose place is taken: by itself, without its weights.

        It would be trained, and could not be stored, since nothing is overwritten.
        """
        for config in to_train:
            if (folder := self.path / config.name).exists():
                raise FileExistsError(
                    f"{folder} has no weights, and other runs start from them; remove the folder to have it trained "
                    "anew, or have new runs stored elsewhere"
                )

    def check_writable(self) -> None:
        """Raise ``OSError`` where no run can be stored; better found out before training than after it.

        What processes that died while they wrote have left behind is removed.
        """
        try:
            if self.path.exists() and not self.path.is_dir():
                raise NotADirectoryError(None, "it is not a folder")
            self.path.mkdir(parents=True, exist_ok=True)
            for left in self.path.glob(f"{_WRITING}*"):
                if time.time() - left.stat().st_mtime > _LONG_DEAD_SECONDS:
                    shutil.rmtree(left, ignore_errors=True)
            with tempfile.TemporaryFile(dir=self.path) as file:
                file.write(bytes(RUN_BYTES))
        except OSError as error:
            raise OSError(f"cannot write to the store {self.path}: {error.strerror or error}") from error

    def ensure(
        self,
        configs: Iterable[RunConfig],
        device: str = "auto",
        *,
        slots: int | None = None,
        threads: int = 1,
        progress: bool = True,
        on_evaluation: Callable[[Moment], object] | None = None,
    ) -> list[Run]:
        """Return the runs in order, training (and storing) those that are missing, sources before their heirs.

        A run that was interrupted goes on from its last state. One that another process is training is left to it and
        waited for. The other arguments are those of :func:`grokbook.training.train.train`.

        Raises:
            RunsMissing: the store is ``stored_only`` and lacks some.
            DamagedRun: a stored run cannot be read.
            OSError: the store cannot be written to, or has a run without the weights that others start from; found out
                before any training.
            TrainingDiverged: a loss is not finite. All other runs are trained and stored first.
            KeyboardInterrupt: on Ctrl-C; what was finished is stored, and the message says how to go on.
        """
        wanted = list(configs)
        resolved = resolve_device(device)
        left = self.missing(wanted)
        known = self._stored(wanted, left)
        missing = [config for config in dict.fromkeys(wanted) if config not in known]
        if missing and self.stored_only:
            raise RunsMissing(
                f"training is off ({STORED_ONLY_VARIABLE}) and not stored in {' or '.join(map(str, self.places))}: "
                + "; ".join(config.label for config in missing)
            )
        if missing:
            self.check_places(left)
            self.check_writable()
        self._close_states(known.values())
        try:
            with RunLocks(self.in_progress, done=lambda config: config not in self.missing(wanted)) as locks:
                trainer = Trainer(
                    resolved,
                    finished=known,
                    on_finish=self.put,
                    checkpoints=Checkpoints(self.in_progress),
                    locks=locks,
                    slots=slots,
                    threads=threads,
                    progress=progress,
                    on_evaluation=on_evaluation,
                )
                self._train(missing, known, trainer)
        except KeyboardInterrupt:
            to_train = sum(config not in known for config in missing)
            raise KeyboardInterrupt(
                f"interrupted with {to_train} of {len(set(wanted))} runs still to train. What was finished is kept in "
                f"{self.path}, and states of runs in progress once a minute: repeat the command to go on."
            ) from None
        return [known[config] for config in wanted]

    def _close_states(self, stored: Iterable[Run]) -> None:
        """Do with states of stored runs what a process that died between storing and this had still to do."""
        states = Checkpoints(self.in_progress)
        with RunLocks(self.in_progress) as locks:
            for run in stored:
                if states.has_own(run.config) and locks.take(run.config):
                    states.close(run.config, run.steps, keep=run.provenance.get("stopped") == STOPPED_BY_BUDGET)

    def _stored(self, configs: Iterable[RunConfig], left: Iterable[RunConfig]) -> dict[RunConfig, Run]:
        """Those of the configs that are stored: with their weights, if what is ``left`` to train starts from them."""
        sources = {config.source for config in left}
        views = {config: self.whole if config in sources else self for config in configs}
        return {config: view.get(config) for config, view in views.items() if config in view}

    def _train(self, missing: list[RunConfig], known: dict[RunConfig, Run], trainer: Trainer) -> None:
        """Add the missing runs to ``known``: trained here, or read once another process has stored them."""
        waited = False
        while any(config not in known for config in missing):
            left = self.missing(missing)
            sources = [config.source for config in left if config.source is not None]
            known |= self._stored([config for config in (*missing, *sources) if config not in known], left)
            before = len(known)
            trainer.train(left)
            if left and len(known) == before:
                if not waited and trainer.progress:
                    print(f"waiting for {len(left)} runs that another process is training", file=sys.stderr)
                waited = True
                time.sleep(POLL_SECONDS)


def default_store() -> RunStore:
    """The store that notebooks and commands use, see :func:`grokbook.runs.folders.default_folders`."""
    folders = default_folders()
    return RunStore(folders.path, folders.published, stored_only=folders.stored_only)
