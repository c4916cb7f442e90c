"""Runs that were stored while their ends were part of their names get the names that runs have now."""

from __future__ import annotations

import glob
import json
from collections.abc import Iterator
from pathlib import Path

from grokbook.runs.config import RunConfig
from grokbook.runs.layout import CONFIG


def formerly_named(place: Path) -> Iterator[tuple[Path, RunConfig]]:
    """The folders in a place of runs that have names of the former kind, and their configs."""
    for folder in sorted(place.iterdir()) if place.is_dir() else ():
        try:
            config = RunConfig.from_dict(json.loads((folder / CONFIG).read_text("utf8")))
        except (OSError, ValueError, TypeError, AttributeError):
            continue  # no run, or a damaged one: whoever reads it is told
        if folder.name == config.former_name != config.name:
            yield folder, config


def rename(place: Path) -> Iterator[tuple[Path, Path | None]]:
    """Rename such folders, and tables about one run with them; contents stay as they are.

    Yields:
        The former path and the new one; None where that is taken, by the same run with another end: both stay.
    """
    for folder, config in list(formerly_named(place)):
        new = place / config.name
        if new.exists():
            yield folder, None
            continue
        folder.rename(new)
        for table in place.glob(f"{glob.escape(folder.name)}.*.parquet"):
            table.rename(place / table.name.replace(folder.name, config.name))
        yield folder, new
