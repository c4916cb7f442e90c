"""Where runs are kept: the protocol, folders on disk, and memory.

A run in a folder is a folder named by its config (:attr:`grokbook.RunConfig.name`), complete or absent: it is written
beside its place and appears by one rename. It gives way to nothing but itself, trained for more steps.

Whether a run is stored is answered from its JSON files: nothing slow is imported before a run is read.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from filelock import FileLock, Timeout

from grokbook import runs
from grokbook.errors import DamagedRun
from grokbook.runs import disk
from grokbook.runs.config import ENDING, RunConfig, config_in, lacking
from grokbook.runs.layout import PROVENANCE, STOPPED_BY_BUDGET, WEIGHTS

STORE_VARIABLE = "GROKBOOK_STORE"
"""Environment variable that names the folder for new runs."""
STORED_ONLY_VARIABLE = "GROKBOOK_STORED_ONLY"
"""Environment variable that, if not empty, forbids training: what is not stored is an error. The book is built so."""
RUN_BYTES = 4_000_000
"""Space for a run, or more, that must be free before one is trained."""
PathLike = str | os.PathLike[str]
_Folders = TypeVar("_Folders", bound="FolderStore")
_WRITING, _REPLACED = ".writing-", ".replaced-"


@runtime_checkable
class Lock(Protocol):
    """The right to train a run."""

    def release(self) -> Any: ...


@runtime_checkable
class Store(Protocol):
    """What training needs of a place where runs are kept."""

    @property
    def stored_only(self) -> bool:
        """Whether training is refused: what is not stored is an error."""

    @property
    def states(self) -> Path | None:
        """The folder for states of runs in progress; None keeps none."""

    @property
    def sources(self) -> Store:
        """The same store, of which only what pre-grokked runs can start from is seen.

        That is a run with its weights, which ends where its config says: a run that went on has other last weights.
        """

    def __contains__(self, config: object) -> bool:
        """Whether a stored run went at least as far as this config asks."""

    def get(self, config: RunConfig) -> runs.Run:
        """That run; ``KeyError`` if there is none."""

    def put(self, run: runs.Run) -> object:
        """Keep a run, unless it is there already and went as far."""

    def lock(self, config: RunConfig) -> Lock | None:
        """The right to train a run, whatever its end; None while another has it."""

    def check(self, starts: Iterable[RunConfig] = ()) -> None:
        """Raise ``OSError`` where runs could not be kept: better found out before training.

        ``starts`` are runs to be trained that others start from: their places must not be taken by other ends.
        """


class FolderStore:
    """Runs in a folder, and before it the published runs in folders that are only read.

    Args:
        path: where new runs go; made when the first one is stored.
        published: further folders, looked in first and in this order; never written to.
        stored_only: refuse to train.
        as_sources: see :attr:`sources`.
    """

    def __init__(
        self, path: PathLike, published: Iterable[PathLike] = (), *, stored_only: bool = False, as_sources: bool = False
    ) -> None:
        self.path = Path(path)
        self.published = tuple(Path(folder) for folder in published)
        self.stored_only = stored_only
        self._as_sources = as_sources

    def __str__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        seen = f"{len(list(self.folders())):,} runs{' with their weights' if self._as_sources else ''}"
        return f"{type(self).__name__}({seen} in {' and '.join(map(str, self.places))})"

    @property
    def states(self) -> Path:
        """Where the states and locks of runs are that are being trained."""
        return self.path / ".in-progress"

    @property
    def places(self) -> tuple[Path, ...]:
        """The folders that are looked in, in this order: a published run goes before one's own of the same config."""
        return (*self.published, self.path)

    @property
    def sources(self: _Folders) -> _Folders:
        """See :attr:`Store.sources`."""
        return type(self)(self.path, self.published, stored_only=self.stored_only, as_sources=True)

    # --- what is there --------------------------------------------------------------------------------

    def folder(self, config: RunConfig) -> Path | None:
        """The folder that holds the run, as far as the config asks for it; None if there is none."""
        places = (place / config.name for place in self.places)
        return next((folder for folder in places if folder.is_dir() and self._answers(folder, config)), None)

    def _answers(self, folder: Path, config: RunConfig) -> bool:
        if self._as_sources and not (folder / WEIGHTS).is_file():
            return False
        try:
            by_budget = disk.read_json(folder / PROVENANCE)["stopped"] == STOPPED_BY_BUDGET
            stored = config_in(folder)
            if stored is None or self._is_told(stored, by_budget, config):
                return True
            run = runs.read(folder)
        except (OSError, ValueError, KeyError, TypeError, DamagedRun):
            return True  # reading it says what is wrong with it
        return run.ends_like(config) if self._as_sources else run.covers(config)

    def _is_told(self, stored: RunConfig, by_budget: bool, config: RunConfig) -> bool:
        """Whether a stored run answers, by its config and by what ended it; if not, its history has to be asked."""
        if self._as_sources:
            changed = {name for name in ENDING if getattr(stored, name) != getattr(config, name)}
            # One that had grokked was not ended by its budget, and would not be by a larger one.
            return not changed or (changed == {"max_steps"} and not by_budget and config.max_steps > stored.max_steps)
        if by_budget:
            return config.max_steps <= stored.max_steps
        return stored.rule == config.rule and config.tail <= stored.tail

    def __contains__(self, config: object) -> bool:
        return isinstance(config, RunConfig) and self.folder(config) is not None

    def folders(self) -> Iterator[Path]:
        """The folders of all runs, sorted by name; of two that hold one run, the one that went further."""
        found: dict[str, Path] = {}
        for folder in (folder for place in self.places for folder in place.glob("[!.]*") if folder.is_dir()):
            if not self._as_sources or (folder / WEIGHTS).is_file():
                known = found.setdefault(folder.name, folder)
                if known != folder and (config := config_in(folder)) and not self._answers(known, config):
                    found[folder.name] = folder
        return iter([found[name] for name in sorted(found)])

    def tables(self) -> list[Path]:
        """What stands beside the folders: tables about many runs, or about one."""
        return [path for place in self.places for path in sorted(place.glob("[!.]*.parquet"))]

    def missing(self, configs: Iterable[RunConfig]) -> list[RunConfig]:
        """What is not stored, each once; sources of pre-grokked runs come before their heirs."""
        return lacking(configs, self, self.sources)

    def get(self, config: RunConfig) -> runs.Run:
        """Read a run, judged by the config's rule of grokking; it may go on beyond what the config asks for.

        ``KeyError``: it is not stored. ``DamagedRun``: it is, but a file is missing, altered or unreadable.
        """
        folder = self.folder(config)
        if folder is None:
            raise KeyError(f"no stored run of {config.label} ({config.name})")
        return runs.read(folder).judged_by(config)

    def stored(self, configs: Iterable[RunConfig]) -> list[runs.Run]:
        """Those of some runs that are stored, in order; nothing is trained. ``DamagedRun`` as :meth:`get` raises it."""
        return [self.get(config) for config in configs if config in self]

    # --- what comes in --------------------------------------------------------------------------------

    def put(self, run: runs.Run) -> Path:
        """Store a run by one atomic rename; one that is there already stays, unless it had fewer steps.

        ``OSError``: it cannot be written, for want of space, say; the store is as it was before.
        """
        final = self.path / run.config.name
        if _went_as_far(final, run):
            return final
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with disk.replacing_folder(final, _WRITING, _REPLACED) as folder:
                runs.write(run, folder)
        except OSError as error:
            if not _went_as_far(final, run):  # else another process stored the same run first
                raise OSError(f"cannot store {run.config.label}: {error.strerror or error}") from error
        return final

    def _settle(self) -> None:
        """Put back runs that were giving way to themselves with more steps when the process died."""
        for old in self.path.glob(f"{_REPLACED}*"):
            final = self.path / old.name.removeprefix(_REPLACED)
            if lock := self._lock(final.name.rpartition("-")[2]):  # else whoever is storing it is at work
                disk.put_back(old, final)
                lock.release()

    def lock(self, config: RunConfig) -> Lock | None:
        """See :meth:`Store.lock`. A dead process holds none."""
        return self._lock(config.hash)

    def _lock(self, key: str) -> FileLock | None:
        self.states.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.states / f"{key}.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return None
        return lock

    def check_places(self, starts: Iterable[RunConfig]) -> None:
        """Raise ``FileExistsError`` where a run that others start from is stored, and does not do for them."""
        own = FolderStore(self.path)
        for config in starts:
            if (folder := own.folder(config)) is not None and config not in self.sources:
                raise FileExistsError(
                    f"{folder} lacks the weights that other runs start from, or has those of a later step; remove the "
                    "folder to have it trained anew, or have new runs stored elsewhere"
                )

    def check(self, starts: Iterable[RunConfig] = ()) -> None:
        """See :meth:`Store.check`. What processes that died while they wrote have left behind is removed."""
        self.check_places(starts)
        try:
            if self.path.exists() and not self.path.is_dir():
                raise NotADirectoryError(None, "it is not a folder")
            self.path.mkdir(parents=True, exist_ok=True)
            disk.clear_dead(self.path, _WRITING)
            self._settle()
            with tempfile.TemporaryFile(dir=self.path) as file:
                file.write(bytes(RUN_BYTES))
        except OSError as error:
            raise OSError(f"cannot write to the store {self.path}: {error.strerror or error}") from error


def _went_as_far(folder: Path, run: runs.Run) -> bool:
    """Whether what stands in a run's place went as far, or is damaged: that is for whoever reads it to see."""
    try:
        return folder.exists() and runs.read(folder).steps >= run.steps
    except DamagedRun:
        return True


def default_folders() -> FolderStore:
    """The folders that notebooks and commands use.

    New runs go to $GROKBOOK_STORE, or else to ``.grokbook/runs`` in the :func:`checkout` (outside one, in the current
    folder). The checkout's published ``runs/`` stand before it. With $GROKBOOK_STORED_ONLY nothing is trained.
    """
    root = checkout()
    path = os.environ.get(STORE_VARIABLE) or (root or Path.cwd()) / ".grokbook" / "runs"
    published = [root / "runs"] if root is not None else []
    return FolderStore(path, published, stored_only=bool(os.environ.get(STORED_ONLY_VARIABLE)))


def checkout() -> Path | None:
    """The checkout this library runs from, or else the one that the current folder is in; None outside of any."""
    here = Path.cwd()
    places = (Path(__file__).resolve().parents[2], here, *here.parents)
    marks = ("pyproject.toml", "notebooks", "runs", "grokbook/runs/store.py")
    return next((place for place in places if all((place / mark).exists() for mark in marks)), None)
