"""Runs whose files have an older form, or parts that no page needs, are written anew; what stays keeps every bit."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from grokbook.runs import disk
from grokbook.runs import run as files
from grokbook.runs.layout import CONFIG, OLD_SPECTRA, WEIGHTS
from grokbook.runs.publish import Maps, trimmed
from grokbook.runs.run import Run

_WRITING = ".repacking-"
_OLD = ".repacked-"


def repack(folder: Path, *, maps: Maps = "all", weights: bool = True, answers: bool = False) -> bool:
    """Write a run folder in the form of today, with no more than these parts; whether there was anything to do.

    The parts are those of :func:`grokbook.runs.publish.trimmed`.

    The run is written beside its place, read back, and compared with what was read before; only if all of it is the
    same to the last bit does it take the old folder's place. One process at a time may do so in a folder of runs;
    what one that was killed has left is put right by the next.

    Raises:
        DamagedRun: the run cannot be read; it stays as it is.
        OSError: it cannot be written, or did not come back the same; it stays as it is.
    """
    _put_right(folder.parent)
    run = files.read(folder)
    kept = trimmed(run, maps=maps, weights=weights, answers=answers)
    if not (folder / OLD_SPECTRA).exists() and kept.provenance == run.provenance:
        return False
    with tempfile.TemporaryDirectory(prefix=_WRITING, dir=folder.parent) as place:
        new = Path(place) / folder.name
        new.mkdir()
        shutil.copyfile(folder / CONFIG, new / CONFIG)
        if kept.has_weights:
            shutil.copyfile(folder / WEIGHTS, new / WEIGHTS)
        files.write_record(kept, new)
        files.seal(new, kept.provenance)
        if found := list(differences(kept, files.read(new))):
            raise OSError(f"{folder} would not come back the same: {found[0]}")
        for path in (*new.iterdir(), new):
            disk.flush(path)
        old = folder.rename(folder.with_name(f"{_OLD}{folder.name}"))
        new.rename(folder)
        disk.flush(folder.parent)
    shutil.rmtree(old)
    return True


def differences(one: Run, other: Run) -> Iterator[str]:
    """The parts in which two runs differ, if only in the sign of a zero or in the type of a number."""
    if one.config != other.config:
        yield "config"
    if one.provenance != other.provenance:
        yield "provenance"
    ours, theirs = _arrays(one), _arrays(other)
    if list(ours) != list(theirs):
        yield "names"
    for name in ours.keys() & theirs.keys():
        mine, its = ours[name], theirs[name]
        of_one_type = mine.dtype == its.dtype or not mine.size  # what is empty has no bits
        if not of_one_type or mine.shape != its.shape or mine.tobytes() != its.tobytes():
            yield name


def _arrays(run: Run) -> dict[str, np.ndarray]:
    """All the numbers of a run."""
    tensors = run.spectra._asdict() | (run.weights._asdict() if run.has_weights else {})
    if run.kept_answers is not None:
        tensors["answers"] = run.kept_answers
    history = {f"history: {name}": column.to_numpy() for name, column in run.history.items()}
    return history | {name: tensor.numpy() for name, tensor in tensors.items()}


def _put_right(place: Path) -> None:
    """Bring back, or remove, what a process has left that was killed here."""
    for old in place.glob(f"{_OLD}*"):
        home = place / old.name.removeprefix(_OLD)
        if home.exists():
            shutil.rmtree(old)
        else:
            old.rename(home)
    for unfinished in place.glob(f"{_WRITING}*"):
        shutil.rmtree(unfinished)
