"""A content-addressed store of finished runs.

Each run is a folder named by its config (:attr:`grokbook.RunConfig.name`), complete or absent: it is written
beside its place and appears by one rename. Nothing is ever overwritten.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from grokbook import runs, training
from grokbook.config import RunConfig
from grokbook.runs import Run

STORE_VARIABLE = "GROKBOOK_STORE"
"""Environment variable that names the folder for new runs."""


class RunStore:
    """Runs in a folder, and behind it the published runs in folders that are only read.

    Args:
        path: where new runs go; made when the first one is stored.
        published: further folders to look in, in this order; never written to.
    """

    def __init__(self, path: str | os.PathLike[str], published: Iterable[str | os.PathLike[str]] = ()) -> None:
        self.path = Path(path)
        self.published = tuple(Path(folder) for folder in published)

    def folder(self, config: RunConfig) -> Path | None:
        """The folder that holds the run, or None."""
        places = (place / config.name for place in (self.path, *self.published))
        return next((folder for folder in places if folder.is_dir()), None)

    def __contains__(self, config: RunConfig) -> bool:
        return self.folder(config) is not None

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

    def put(self, run: Run) -> Path:
        """Store a run by one atomic rename; if it is there already, the stored one stays."""
        final = self.path / run.config.name
        if final.exists():
            return final
        self.path.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".writing-", dir=self.path))
        try:
            runs.write(run, temporary)
            temporary.chmod(0o755)
            temporary.rename(final)
        except OSError:
            if not final.exists():  # else another process stored the same run first
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return final

    def folders(self) -> Iterator[Path]:
        """The folders of all runs, each run once, sorted by name."""
        found: dict[str, Path] = {}
        for place in (self.path, *self.published):
            for folder in place.iterdir() if place.is_dir() else ():
                if folder.is_dir() and not folder.name.startswith("."):
                    found.setdefault(folder.name, folder)
        return iter([found[name] for name in sorted(found)])

    def ensure(self, configs: Iterable[RunConfig], device: str = "auto", *, progress: bool = True) -> list[Run]:
        """Return the runs in order, training (and storing) those that are missing, sources before their heirs.

        A run that was interrupted goes on from its last checkpoint.

        Raises:
            KeyboardInterrupt: on Ctrl-C; what was finished is stored, and the message says how to go on.
        """
        wanted = list(configs)
        training.resolve_device(device)
        runs_by_config = {config: self.get(config) for config in _with_sources(wanted) if config in self}
        missing = [config for config in wanted if config not in runs_by_config]

        def keep(run: Run) -> None:
            self.put(run)
            runs_by_config[run.config] = run

        try:
            training.train(
                missing,
                device,
                sources=runs_by_config.values(),
                on_finish=keep,
                checkpoints=self.path / ".in-progress",
                progress=progress,
            )
        except KeyboardInterrupt:
            left = sum(config not in runs_by_config for config in dict.fromkeys(missing))
            raise KeyboardInterrupt(
                f"interrupted with {left} of {len(wanted)} runs still to train. Finished runs are kept in {self.path}, "
                "and so is the last checkpoint of the one in progress: repeat the command to go on."
            ) from None
        return [runs_by_config[config] for config in wanted]


def default_store() -> RunStore:
    """The store that notebooks and commands use.

    New runs go to $GROKBOOK_STORE, or else to ``.grokbook/runs`` in the checkout (outside one, in the current
    folder). The checkout's published ``runs/`` stand behind it.
    """
    root = checkout()
    path = os.environ.get(STORE_VARIABLE) or (root or Path.cwd()) / ".grokbook" / "runs"
    return RunStore(path, published=[root / "runs"] if root is not None else [])


def checkout() -> Path | None:
    """The checkout this library runs from; None when it is installed elsewhere."""
    root = Path(__file__).resolve().parent.parent
    return root if (root / "pyproject.toml").is_file() and (root / "notebooks").is_dir() else None


def _with_sources(configs: Iterable[RunConfig]) -> list[RunConfig]:
    """The configs and, before each, the runs it starts from."""
    found: dict[RunConfig, None] = {}
    for config in configs:
        if config.source is not None:
            found |= dict.fromkeys(_with_sources([config.source]))
        found[config] = None
    return list(found)
