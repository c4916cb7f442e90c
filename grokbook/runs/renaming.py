"""Runs that were stored while their ends were part of their names get the names that runs have now."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from pathlib import Path

from grokbook.runs.config import config_in


def rename(place: Path) -> Iterator[tuple[Path, Path | None]]:
    """Rename the folders in a place of runs, and tables about one run with them; contents stay as they are.

    Yields:
        The former path and the new one; None where that is taken, by the same run with another end: both stay.
    """
    read = [(folder, config) for folder in sorted(place.glob("*")) if (config := config_in(folder)) is not None]
    former = [(folder, config) for folder, config in read if folder.name == config.former_name != config.name]
    for folder, config in sorted(former, key=lambda pair: -pair[1].max_steps):  # of two ends, the further has the name
        new = place / config.name
        if new.exists():
            yield folder, None
            continue
        folder.rename(new)
        for table in place.glob(f"{glob.escape(folder.name)}.*.parquet"):
            table.rename(place / table.name.replace(folder.name, config.name))
        yield folder, new
