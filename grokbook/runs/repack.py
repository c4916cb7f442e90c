"""Runs whose files have an older form, or parts that no page needs, are written anew; what stays keeps every bit."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from grokbook.runs import disk
from grokbook.runs import run as files
from grokbook.runs.layout import OLD_SPECTRA
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
    with disk.replacing_folder(folder, _WRITING, _OLD) as new:
        files.write(kept, new)
        expected, found = _parts(kept), _parts(files.read(new))
        if different := [name for name in expected | found if expected.get(name) != found.get(name)]:
            raise OSError(f"{folder} would not come back the same: {different[0]}")
    return True


def _parts(run: Run) -> dict[str, Any]:
    """All there is to a run; of its numbers type, shape and bits, so that the sign of a zero tells, too."""
    tensors = run.spectra._asdict() | (run.weights._asdict() if run.has_weights else {})
    if run.kept_answers is not None:
        tensors["answers"] = run.kept_answers
    arrays = {f"history: {name}": column.to_numpy() for name, column in run.history.items()}
    arrays |= {name: tensor.numpy() for name, tensor in tensors.items()}
    # What is empty has no bits, and so no type.
    bits = {name: (each.size and each.dtype, each.shape, each.tobytes()) for name, each in arrays.items()}
    return {"config": run.config, "provenance": run.provenance, "names": list(arrays), **bits}


def _put_right(place: Path) -> None:
    """Bring back, or remove, what a process has left that was killed here."""
    for old in place.glob(f"{_OLD}*"):
        disk.put_back(old, place / old.name.removeprefix(_OLD))
    for unfinished in place.glob(f"{_WRITING}*"):
        shutil.rmtree(unfinished)
