"""Where runs are on disk. Only names are looked at here: nothing is read, and nothing slow is imported."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from grokbook.runs.config import RunConfig, lacking

WEIGHTS_FILE = "weights.safetensors"
"""The file of a run's final weights, see :mod:`grokbook.runs.run`."""

STORE_VARIABLE = "GROKBOOK_STORE"
"""Environment variable that names the folder for new runs."""
STORED_ONLY_VARIABLE = "GROKBOOK_STORED_ONLY"
"""Environment variable that, if not empty, forbids training: what is not stored is an error. The book is built so."""


class RunFolders:
    """Runs in a folder, and before it the published runs in folders that are only read.

    Args:
        path: where new runs go; made when the first one is stored.
        published: further folders, looked in first and in this order; never written to.
        stored_only: refuse to train.
        whole: look only at runs that have their weights; some published ones come without.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        published: Iterable[str | os.PathLike[str]] = (),
        *,
        stored_only: bool = False,
        whole: bool = False,
    ) -> None:
        self.path = Path(path)
        self.published = tuple(Path(folder) for folder in published)
        self.stored_only = stored_only
        self._whole = whole

    def __repr__(self) -> str:
        seen = f"{len(list(self.folders())):,} runs{' with their weights' if self._whole else ''}"
        return f"{type(self).__name__}({seen} in {' and '.join(map(str, self.places))})"

    @property
    def in_progress(self) -> Path:
        """Where the states and locks of runs are that are being trained."""
        return self.path / ".in-progress"

    @property
    def places(self) -> tuple[Path, ...]:
        """The folders that are looked in, in this order: a published run goes before one's own of the same config."""
        return (*self.published, self.path)

    def folder(self, config: RunConfig) -> Path | None:
        """The folder that holds the run, or None."""
        places = (place / config.name for place in self.places)
        return next((folder for folder in places if self._counts(folder)), None)

    def _counts(self, folder: Path) -> bool:
        return (folder / WEIGHTS_FILE).is_file() if self._whole else folder.is_dir()

    @property
    def whole(self) -> RunFolders:
        """The same folders, of which only runs with their weights are seen: what pre-grokked runs can start from."""
        return RunFolders(self.path, self.published, stored_only=self.stored_only, whole=True)

    def __contains__(self, config: object) -> bool:
        return isinstance(config, RunConfig) and self.folder(config) is not None

    def folders(self) -> Iterator[Path]:
        """The folders of all runs, each run once, sorted by name."""
        found: dict[str, Path] = {}
        for place in self.places:
            for folder in place.iterdir() if place.is_dir() else ():
                if self._counts(folder) and not folder.name.startswith("."):
                    found.setdefault(folder.name, folder)
        return iter([found[name] for name in sorted(found)])

    def tables(self) -> list[Path]:
        """What stands beside the folders: tables about many runs, or about one."""
        return [path for place in self.places for path in sorted(place.glob("[!.]*.parquet"))]

    def missing(self, configs: Iterable[RunConfig]) -> list[RunConfig]:
        """What is not stored, each once; sources of pre-grokked runs come before their heirs."""
        return lacking(configs, self, self.whole)


def default_folders() -> RunFolders:
    """The folders that notebooks and commands use.

    New runs go to $GROKBOOK_STORE, or else to ``.grokbook/runs`` in the :func:`checkout` (outside one, in the current
    folder). The checkout's published ``runs/`` stand before it. With $GROKBOOK_STORED_ONLY nothing is trained.
    """
    root = checkout()
    path = os.environ.get(STORE_VARIABLE) or (root or Path.cwd()) / ".grokbook" / "runs"
    published = [root / "runs"] if root is not None else []
    return RunFolders(path, published, stored_only=bool(os.environ.get(STORED_ONLY_VARIABLE)))


def checkout() -> Path | None:
    """The checkout this library runs from, or else the one that the current folder is in; None outside of any."""
    here = Path.cwd()
    places = (Path(__file__).resolve().parents[2], here, *here.parents)
    return next((place for place in places if _is_checkout(place)), None)


def _is_checkout(folder: Path) -> bool:
    marks = ("pyproject.toml", "notebooks", "runs", "grokbook/runs/folders.py")
    return all((folder / mark).exists() for mark in marks)
