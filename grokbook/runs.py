"""A finished training run, and the files that hold it.

A run is a folder of five files:

    config.json           the canonical config; its hash names the folder
    history.parquet       one row per evaluation
    spectra.safetensors   Fourier spectra at log-spaced steps
    weights.safetensors   final weights, float32
    provenance.json       versions, device, times, and the SHA-256 of the other files

Only plain formats are read: nothing in a run folder can execute code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import safetensors
from jaxtyping import Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor

from grokbook import measures
from grokbook.config import RunConfig
from grokbook.weights import Weights

CONFIG, HISTORY, SPECTRA, WEIGHTS, PROVENANCE = (
    "config.json",
    "history.parquet",
    "spectra.safetensors",
    "weights.safetensors",
    "provenance.json",
)


class DamagedRun(RuntimeError):
    """A run folder that cannot be trusted; the message names the folder, the file and what is wrong."""


class Spectra(NamedTuple):
    """Fourier spectra recorded while training.

    Rows of one-dimensional spectra are in the order of :func:`grokbook.fourier.basis`: constant, cos 1, sin 1, ….
    For ``operands="vocab"`` the analysis still covers the first p residues.
    """

    step: Int[Tensor, " time"]
    embedding: Float[Tensor, "time p"]
    """Norms of the Fourier components of W_E over d_model."""
    neuron_logit: Float[Tensor, "time p"]
    """The same for W_L = W_U W_out over the neurons."""
    logits_step: Int[Tensor, " time_2d"]
    logits: Float[Tensor, "time_2d operation p p"]
    """Norms of the logits in the 2-D Fourier basis over the p output classes, float16; one map per operation."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What crosses from training to analysis. ``history`` has one row per evaluated step; see ``training``."""

    config: RunConfig
    history: pd.DataFrame
    spectra: Spectra
    weights: Weights
    provenance: Mapping[str, Any]

    @property
    def steps(self) -> int:
        """Steps trained."""
        return int(self.history["step"].iloc[-1])

    @property
    def grok_step(self) -> int | None:
        """First evaluated step from which test accuracy stays at ``grok_accuracy``; None if it never does.

        In a mixture the worst operation counts.
        """
        return grok_step(self.config, self.history)

    @property
    def best_test_accuracy(self) -> float:
        """Highest test accuracy at any evaluation (what Table 5 prints for operations that fail)."""
        return float(self.history["test_accuracy"].max())


def grok_step(config: RunConfig, history: pd.DataFrame) -> int | None:
    """The grok step of a history, possibly of a run still in progress (see :func:`grokbook.measures.grok_step`)."""
    train, test = (
        history[[f"{part}_accuracy", *per_operation(config, f"{part}_accuracy")]].min(axis=1)
        for part in ("train", "test")
    )
    return measures.grok_step(history["step"], train, test, config.grok_accuracy, config.sustain)


def per_operation(config: RunConfig, column: str) -> list[str]:
    """Names of the history columns that hold ``column`` for each operation of a mixture; none for a single task."""
    return [f"{column}[{text}]" for text in config.operations] if len(config.operations) > 1 else []


def write(run: Run, folder: Path) -> None:
    """Write a run into an existing empty folder, and its checksums with it."""
    (folder / CONFIG).write_text(json.dumps(run.config.to_dict(), indent=2, sort_keys=True) + "\n")
    run.history.to_parquet(folder / HISTORY, index=False, compression="zstd")
    save_file({name: t.contiguous() for name, t in run.spectra._asdict().items()}, folder / SPECTRA)
    save_file({name: t.contiguous() for name, t in run.weights._asdict().items()}, folder / WEIGHTS)
    checksums = {name: _sha256(folder / name) for name in (CONFIG, HISTORY, SPECTRA, WEIGHTS)}
    provenance = {**run.provenance, "sha256": checksums}
    (folder / PROVENANCE).write_text(json.dumps(provenance, indent=2, sort_keys=True) + "\n")


def read(folder: Path) -> Run:
    """Read a run folder; :class:`DamagedRun` names the first thing that is wrong with it."""

    def damaged(file: str, problem: object) -> DamagedRun:
        return DamagedRun(f"{folder.name}/{file}: {problem}")

    for file in (PROVENANCE, CONFIG, HISTORY, SPECTRA, WEIGHTS):
        if not (folder / file).is_file():
            raise damaged(file, "missing")
    try:
        provenance = json.loads((folder / PROVENANCE).read_text())
        checksums = dict(provenance["sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise damaged(PROVENANCE, f"unreadable ({error})") from error
    for file in (CONFIG, HISTORY, SPECTRA, WEIGHTS):
        if _sha256(folder / file) != checksums.get(file):
            raise damaged(file, "its checksum is not the recorded one")
    try:
        config = RunConfig.from_dict(json.loads((folder / CONFIG).read_text()))
        history = pd.read_parquet(folder / HISTORY)
        spectra = Spectra(**load_file(folder / SPECTRA))
        weights = Weights(**load_file(folder / WEIGHTS))
    except (ValueError, TypeError, OSError, safetensors.SafetensorError) as error:
        raise damaged("", error) from error
    if config.name != folder.name:
        raise damaged(CONFIG, f"the folder should be named {config.name}")
    return Run(config=config, history=history, spectra=spectra, weights=weights, provenance=provenance)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


__all__ = ["DamagedRun", "Run", "Spectra", "grok_step", "per_operation", "read", "write"]
