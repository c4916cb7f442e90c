"""Tables of restricted and ablated losses over training, one file beside the folder of their run.

These losses need weights along the way: the run is trained once more (:mod:`grokbook.training.replay`), and what
:func:`grokbook.analysis.restricted.over_training` finds is kept in a file named after the run. Its attributes are the
run's name, the key frequencies, the provenance of the training, and ``deviation``: 0 if the very run was met again,
more if it was a twin that other rounding errors led to the same key frequencies.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from grokbook import fourier, model
from grokbook.analysis import restricted
from grokbook.analysis.restricted import Losses
from grokbook.errors import DamagedRun, RunDiffers
from grokbook.runs import disk, provenance
from grokbook.runs.run import Run
from grokbook.runs.store import FolderStore
from grokbook.training.replay import deviation, weights_along

SUFFIX = ".ablations.parquet"
LOSSES = Losses._fields
COLUMNS = ("step", "left", "constant", *LOSSES)
TOLERANCE = 1e-3
"""How far, as a share, a loss may be from what the final weights of the stored run give, if it is no twin's."""
IDENTICAL = 1e-6
"""Where spectra deviate by no more (see :func:`grokbook.training.replay.deviation`), it is the run itself, and no
twin."""


def compute(run: Run, *, progress: bool = True) -> pd.DataFrame:
    """Train a run on one operation from scratch once more, and take its losses apart on the way.

    Raises:
        ValueError: a kind of run that this is not done for, or an operation without waves of its own.
        RunDiffers: trained once more, it ends with other key frequencies.
    """
    if len(run.config.operations) > 1 or run.config.source is not None:
        raise ValueError(f"{run.config.label}: restricted loss over training is for one operation from scratch")
    restricted.phases(run.config.parsed_operations[0], run.config.p)  # refuses others before any training
    twin = list(weights_along(run, progress=progress))
    layers = model.of(run.config).layers(twin[-1][1], run.config.p)
    key = fourier.key_frequencies(fourier.spectrum(layers["neuron_logit"]), restricted.ETA)
    if key != restricted.key_frequencies(run):
        raise RunDiffers(
            f"{run.config.label}: trained once more it has the key frequencies {key}, and not those of the stored run: "
            "rounding errors differ from machine to machine, and grow"
        )
    frame = restricted.over_training(run, twin)
    trained = {"deviation": deviation(run, twin), "provenance": provenance.describe(torch.device("cpu"))}
    frame.attrs |= _about(run) | trained
    return frame


def _about(run: Run) -> dict[str, Any]:
    return {"run": run.config.name, "key": list(restricted.key_frequencies(run))}


def _is_about(frame: pd.DataFrame, run: Run) -> bool:
    named = frame.attrs.get("run") in (run.config.name, run.config.former_name)
    return named and frame.attrs.get("key") == _about(run)["key"] and "deviation" in frame.attrs


def keep(run: Run, place: Path, *, progress: bool = True) -> Path:
    """Compute the table of a run, write it into a folder of runs, and return where it is.

    Raises:
        FileExistsError: there is one already; found out before any training.
        ValueError, RunDiffers: see :func:`compute`.
        OSError: it cannot be written.
    """
    path = place / f"{run.config.name}{SUFFIX}"
    if path.exists():
        raise FileExistsError(f"{path} is there already")
    frame = compute(run, progress=progress)
    with disk.replacing(path) as temporary:
        frame.to_parquet(temporary, compression="zstd", index=False, write_page_checksum=True)
    return path


def read(folders: FolderStore, run: Run) -> pd.DataFrame | None:
    """The table of a stored run, with the columns :data:`COLUMNS`; None if there is none.

    Raises:
        DamagedRun: it cannot be read, or is not of this run.
    """
    paths = [place / f"{run.config.name}{SUFFIX}" for place in folders.places]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        return None
    try:
        frame = pd.read_parquet(path, page_checksum_verification=True)
    except (OSError, ValueError) as error:
        raise DamagedRun(f"{path}: unreadable ({error}); restore the file or delete it") from error
    if tuple(frame.columns) != COLUMNS or not _is_about(frame, run):
        raise DamagedRun(f"{path}: not a table of this run with its key frequencies; restore the file or delete it")
    return frame


def problems(run: Run, frame: pd.DataFrame) -> Iterator[str]:
    """What in a table does not fit its run: its steps and, if it is no twin's, its losses on the way and at the end."""
    steps = run.spectra.step.tolist()
    if frame["step"].unique().tolist() != steps:
        yield "its steps are not those of the run's spectra"
        return
    if frame.attrs["deviation"] > IDENTICAL:
        return
    full = frame[(frame["left"] == "full") & (frame["constant"] == "residual")].set_index("step")
    history = run.history.set_index("step").loc[steps]
    for part in ("train", "test"):
        # Over p classes, where the history has a few tokens more: that can only be less.
        if not (full[part] <= history[f"{part}_loss"] * (1 + TOLERANCE)).all():
            yield f"its full {part} loss is above that of the history"
    if not run.has_weights:
        return
    last = frame[frame["step"] == steps[-1]].set_index(["left", "constant"])[[*LOSSES]]
    again = restricted.over_training(run, [(steps[-1], run.weights)]).set_index(["left", "constant"])[[*LOSSES]]
    if not np.allclose(last.loc[again.index], again, rtol=TOLERANCE, atol=0):
        yield "its last losses are not those of the weights"
