"""A finished training run, and the folder that holds it; :mod:`grokbook.runs.layout` says which files are there.

Only plain formats are read: nothing in a run folder can execute code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd
import safetensors
import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor

from grokbook import model
from grokbook.data.tokens import n_operands
from grokbook.errors import DamagedRun, WeightsMissing
from grokbook.fourier.layers import LAYERS
from grokbook.fourier.transform import Spectrum
from grokbook.model.protocol import Matrices
from grokbook.runs import tables
from grokbook.runs.config import RunConfig
from grokbook.runs.disk import read_json
from grokbook.runs.grokking import ending, grok_step
from grokbook.runs.history import required_columns
from grokbook.runs.layout import ANSWERS, CONFIG, HISTORY, MAPS, OLD_SPECTRA, PROVENANCE, SPECTRA, WEIGHTS
from grokbook.runs.pairs import dataset

ON_ITS_WAY = 0.9
"""Test accuracy from which a run that has not grokked within its budget may still do so: it tells neither."""

T = TypeVar("T")


class Spectra(NamedTuple):
    """Fourier spectra recorded while training.

    Rows of one-dimensional spectra are in the order of :func:`grokbook.fourier.transform.basis`: constant, cos 1, sin
    1, …. For ``operands="vocab"`` the analysis still covers the first p residues.
    """

    step: Int[Tensor, " time"]
    embedding: Float[Tensor, "time p"]
    """Norms of the Fourier components of W_E over d_model."""
    neuron_logit: Float[Tensor, "time p"]
    """The same for W_L = W_U W_out over the neurons."""
    logits_step: Int[Tensor, " time_2d"]
    logits: Float[Tensor, "time_2d operation p p"]
    """Norms of the logits in the 2-D Fourier basis over the p output classes; one map per operation.
    float16, or float32 where a norm exceeds its range. A published run may have the last one only, or none."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Run:
    """A finished run: what crosses from training to analysis."""

    config: RunConfig
    history: pd.DataFrame
    """One row per evaluated step; see :func:`grokbook.runs.history.history_columns`."""
    spectra: Spectra
    kept_weights: Matrices | None
    """The final weights, or None in a run that was published without; :attr:`weights` is never None."""
    provenance: Mapping[str, Any]
    kept_answers: Int[Tensor, "operation pair"] | None = None
    """What :attr:`answers` gives, kept in place of weights; None in most runs."""

    def __repr__(self) -> str:
        if self.grok_step is None:
            found = f"not grokked in {self.steps:,} steps, best test accuracy {self.best_test_accuracy:.1%}"
        else:
            found = f"grokked at step {self.grok_step:,} of {self.steps:,}"
        config = self.config
        return f"Run({config.task}, p={config.p}, r={config.fraction:g}, seed {config.seed}: {found})"

    @property
    def has_weights(self) -> bool:
        """Whether the final weights are kept: some published runs come without."""
        return self.kept_weights is not None

    @property
    def weights(self) -> Matrices:
        """The final weights. ``WeightsMissing``: the run was published without."""
        if self.kept_weights is None:
            again = repr(self.config).replace("RunConfig(", "gb.RunConfig(")
            raise WeightsMissing(
                f"{self.config.label} was published without its weights; to train it again, weights and all: "
                f"(run,) = gb.train([{again}])"
            )
        return self.kept_weights

    @property
    def has_answers(self) -> bool:
        """Whether it is known what the final model answers."""
        return self.has_weights or self.kept_answers is not None

    @property
    def answers(self) -> Int[Tensor, "operation pair"]:
        """What the final model answers to each pair of the table, for each operation.

        ``WeightsMissing``: the run was published with neither weights nor answers.
        """
        if self.kept_answers is not None:
            return self.kept_answers
        network, tokens = model.of(self.config), dataset(self.config).tokens
        return torch.stack([network.fast_logits(self.weights, rows).argmax(-1) for rows in tokens])

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

    def covers(self, config: RunConfig) -> bool:
        """Whether it went as far as a config of the same run asks; it may have gone further."""
        return self.steps >= ending(config, grok_step(config, self.history))

    def judged_by(self, config: RunConfig) -> Run:
        """The run under another config's rule of when it has grokked; all of its history counts, as far as it goes."""
        if self.config.rule == config.rule:
            return self
        accuracy, steps = config.rule
        return replace(self, config=replace(self.config, grok_accuracy=accuracy, sustain=steps))

    def ends_like(self, config: RunConfig) -> bool:
        """Whether it ended exactly where a config of the same run says: then its weights are those of that config."""
        return self.steps == ending(config, grok_step(config, self.history))

    @property
    def groks(self) -> bool | None:
        """Whether it has grokked; None where it has not and got above :data:`ON_ITS_WAY`: more steps would tell."""
        if self.grok_step is not None:
            return True
        return None if self.best_test_accuracy > ON_ITS_WAY else False

    def grok_step_at(self, accuracy: float) -> int | None:
        """What :attr:`grok_step` would be for another accuracy; beyond the grok step the record ends with the tail."""
        return grok_step(replace(self.config, grok_accuracy=accuracy), self.history)

    @property
    def best_test_accuracy(self) -> float:
        """Highest test accuracy at any evaluation (what Table 5 prints for operations that fail)."""
        return float(self.history["test_accuracy"].max())

    def best_by(self, step: int) -> float:
        """The same up to a step."""
        return float(self.history.loc[self.history["step"] <= step, "test_accuracy"].max())

    def spectrum(self, layer: str, time: int | slice | Sequence[int] | Tensor = -1) -> Spectrum:
        """The norms of a layer in the Fourier basis, in float32, at recorded times: by default at the end.

        A layer is one of :data:`grokbook.fourier.layers.LAYERS`, a time an index into ``spectra.step``; of several
        times the norms are [time, frequency].
        """
        return Spectrum.of_rows(getattr(self.spectra, layer)[time].float())

    def first_step(self, column: str, least: float = 0.99) -> int | None:
        """The first evaluated step at which a column of the history is at least so much; None if it never is."""
        above = self.history[column].to_numpy(dtype=np.float32) >= np.float32(least)
        return int(self.history["step"].iloc[int(above.argmax())]) if above.any() else None

    def halfway(self, column: str, least: float = 0.1) -> int | None:
        """The first evaluated step from which a column stays in the half of its way that leads to the end.

        None if it moved less than ``least`` from the start to the end.
        """
        values = self.history[column].to_numpy(dtype=float)
        way = values[-1] - values[0]
        if not abs(way) >= least:
            return None
        before = np.flatnonzero((values - values[0]) / way < 0.5)
        return int(self.history["step"].iloc[before[-1] + 1])


def write(run: Run, folder: Path) -> None:
    """Write a run into an existing empty folder, and last its provenance, with checksums of all that is there."""

    def write_json(values: Mapping[str, Any], file: str) -> None:
        (folder / file).write_text(json.dumps(values, indent=2, sort_keys=True) + "\n")

    write_json(run.config.to_dict(), CONFIG)
    if run.has_weights:
        save_tensors(run.weights._asdict(), folder / WEIGHTS)
    tables.write({str(name): column.to_numpy() for name, column in run.history.items()}, folder / HISTORY)
    spectra, (of_layers, of_maps, of_answers) = run.spectra, _axes(run.config)
    layers = {layer: getattr(spectra, layer).numpy() for layer in LAYERS}
    tables.write_over_time(spectra.step.numpy(), layers, of_layers, folder / SPECTRA)
    if len(spectra.logits):
        norms = {"norm": spectra.logits.numpy()}
        tables.write_over_time(spectra.logits_step.numpy(), norms, of_maps, folder / MAPS)
    if run.kept_answers is not None:
        answers = {"answer": run.kept_answers[None].numpy()}
        tables.write_over_time(np.array([run.steps]), answers, of_answers, folder / ANSWERS)
    checksums = {path.name: _sha256(path) for path in folder.iterdir()} | {PROVENANCE: _digest(run.provenance)}
    write_json({**run.provenance, "sha256": checksums}, PROVENANCE)


def _axes(config: RunConfig) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    """What the numbers in spectra, in maps and in answers are of, beside a step."""
    operations, p = {"operation": len(config.operations)}, config.p
    n_pairs = n_operands(p, config.operands) ** 2
    return {"component": p}, operations | {"over_a": p, "over_b": p}, operations | {"pair": n_pairs}


def save_tensors(tensors: Mapping[str, Tensor], path: Path, facts: Mapping[str, str] | None = None) -> None:
    """Write a safetensors file. ``OSError`` if that is not possible (safetensors has an error of its own for it)."""
    path.touch()
    mode = path.stat().st_mode  # safetensors would leave it readable by its owner alone
    try:
        save_file({name: t.contiguous() for name, t in tensors.items()}, path, metadata=dict(facts or {}) or None)
    except safetensors.SafetensorError as error:
        raise OSError(f"{path.name} cannot be written: {error}") from error
    path.chmod(mode)


def read(folder: Path) -> Run:
    """Read a run folder; :class:`DamagedRun` names the first thing that is wrong with it."""
    provenance, files = _sealed(folder)

    def part(file: str, load: Callable[[Path], T]) -> T:
        try:
            return load(folder / file)
        except (ValueError, TypeError, OSError, safetensors.SafetensorError) as error:
            raise _damaged(folder, file, error) from error

    config = part(CONFIG, lambda path: RunConfig.from_dict(read_json(path)))
    history = part(HISTORY, tables.read_history)
    of_layers, of_maps, of_answers = _axes(config)
    if OLD_SPECTRA in files:
        spectra = part(OLD_SPECTRA, lambda path: Spectra(**load_file(path)))
    else:
        step, layers = part(SPECTRA, lambda path: tables.read_over_time(path, LAYERS, of_layers))
        logits_step, maps = step[:0], [np.empty((0, *of_maps.values()), dtype=np.float16)]
        if MAPS in files:
            logits_step, maps = part(MAPS, lambda path: tables.read_over_time(path, ["norm"], of_maps))
        spectra = Spectra(*map(torch.from_numpy, (step, *layers, logits_step, *maps)))
    weights = part(WEIGHTS, lambda path: model.of(config).weights(**load_file(path))) if WEIGHTS in files else None
    answers = None
    if ANSWERS in files:
        _, (at_the_end,) = part(ANSWERS, lambda path: tables.read_over_time(path, ["answer"], of_answers))
        answers = torch.from_numpy(at_the_end[0])
    if folder.name == config.former_name != config.name:
        raise DamagedRun(f"{folder}: runs are named by another rule now; grokbook runs rename gives it its name")
    if config.name != folder.name:
        raise _damaged(folder, CONFIG, f"the folder should be named {config.name}")
    kept: dict[str, Any] = {"kept_weights": weights, "kept_answers": answers}
    run = Run(config=config, history=history, spectra=spectra, provenance=provenance, **kept)
    for file, problem in _misfits(run):
        raise _damaged(folder, file if file in files else OLD_SPECTRA, problem)
    return run


def _damaged(folder: Path, file: str, problem: object) -> DamagedRun:
    return DamagedRun(f"{folder / file}: {problem}; restore the folder, or delete it to have the run trained anew")


def _sealed(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The provenance of a run folder without the checksums, and the other files, which agree with these."""
    try:
        provenance = read_json(folder / PROVENANCE)
        checksums = dict(provenance.pop("sha256"))
    except FileNotFoundError as error:
        raise _damaged(folder, PROVENANCE, "missing") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(folder, PROVENANCE, f"unreadable ({error})") from error
    unknown = set(checksums) - {CONFIG, HISTORY, SPECTRA, OLD_SPECTRA, MAPS, WEIGHTS, ANSWERS, PROVENANCE}
    if unknown or checksums.get(PROVENANCE) != _digest(provenance):
        raise _damaged(folder, PROVENANCE, "its checksum is not the recorded one")
    further = [file for file in (MAPS, WEIGHTS, ANSWERS) if file in checksums or (folder / file).exists()]
    files = [CONFIG, HISTORY, OLD_SPECTRA if OLD_SPECTRA in checksums else SPECTRA, *further]
    for file in files:
        try:
            if _sha256(folder / file) != checksums.get(file):
                raise _damaged(folder, file, "its checksum is not the recorded one")
        except FileNotFoundError as error:
            raise _damaged(folder, file, "missing") from error
        except OSError as error:
            raise _damaged(folder, file, error.strerror or error) from error
    return provenance, files


def _misfits(run: Run) -> Iterator[tuple[str, str]]:
    """Files that are intact but do not hold what the config promises, each with its problem."""
    config, spectra = run.config, run.spectra
    for column in required_columns(config):
        if column not in run.history:
            yield HISTORY, f"no column {column}"
    if run.history.empty:
        yield HISTORY, "no rows"
    for name, values in run.history.items():
        if not np.isfinite(values).all():
            yield HISTORY, f"{name} has values that are not finite"
    if (np.diff(run.history["step"], prepend=-1) <= 0).any():
        yield HISTORY, "its steps do not rise"
    times, times_2d, p = spectra.step.shape[:1], spectra.logits_step.shape[:1], config.p
    shapes = [times, (*times, p), (*times, p), times_2d, (*times_2d, len(config.operations), p, p)]
    tensors = spectra._asdict()
    if run.has_weights:
        shapes += model.of(config).shapes(config)
        tensors |= run.weights._asdict()
    for (name, tensor), shape in zip(tensors.items(), map(tuple, shapes), strict=True):
        file = MAPS if name.startswith("logits") else SPECTRA if name in Spectra._fields else WEIGHTS
        if tuple(tensor.shape) != shape or (0 in shape and file != MAPS):
            yield file, f"{name} has shape {tuple(tensor.shape)}, not {shape}"
        elif not tensor.isfinite().all():
            yield file, f"{name} has values that are not finite"


def _digest(facts: Mapping[str, Any]) -> str:
    """SHA-256 of what a provenance says, apart from checksums."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
