"""What is written down while a run trains, and the run that this becomes.

The history of a run has one row per evaluation, with the columns::

    step                                                        optimiser updates made
    train_loss, test_loss                                       mean cross-entropy in nats; summed over operations
    train_accuracy, test_accuracy                               share of pairs; mean over operations
    ffs_embedding, …, ffs_neuron_logit, …                       each of ``measures.MEASURES`` of each layer
    weight_norm                                                 L2 norm of all weights together

and for a mixture the losses and accuracies of each operation, named like ``test_accuracy[a+b]``. Where a state from
before a measure was entered is trained on, the rows until then have NaN for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from grokbook import fourier, model, runs
from grokbook.errors import TrainingDiverged
from grokbook.fourier import layers
from grokbook.fourier.transform import Spectrum
from grokbook.model.protocol import Matrices
from grokbook.runs import grokking
from grokbook.runs.config import RunConfig
from grokbook.runs.run import Run, Spectra
from grokbook.training.engine import Stack


class Observation(NamedTuple):
    """One run of a stack, looked at between two updates. Small parts are on the CPU."""

    outcome: Mapping[str, float]
    """Losses and accuracies under their history names."""
    embedding: Float[Tensor, " p"]
    neuron_logit: Float[Tensor, " p"]
    """Spectra of the two layers as rows, see ``Spectrum.to_rows``."""
    weight_norm: float
    logits: Float[Tensor, "operation pair vocab"]


def observe(stack: Stack, chosen: Sequence[int]) -> list[Observation]:
    """Evaluate some runs of a stack, all at once: the device is asked for numbers a handful of times."""
    evaluation = stack.evaluate(chosen)
    weights = stack.weights.map(lambda w: w.detach()[list(chosen)])
    first = stack.configs[0]
    spectra = [rows.cpu() for rows in layers.spectra(model.of(first), weights, first.p).values()]
    norms = torch.stack([w.double().square().flatten(1).sum(1) for w in weights]).sum(0).sqrt().tolist()
    outcomes: list[dict[str, float]] = []
    for run, values in zip(chosen, torch.stack(evaluation[:4], dim=1).tolist(), strict=True):  # [name][operation]
        outcomes.append({})
        for column, each in zip(runs.OUTCOMES, values, strict=True):
            outcomes[-1] |= runs.outcome_columns(stack.configs[run], column, each)
    return [Observation(*parts) for parts in zip(outcomes, *spectra, norms, evaluation.logits, strict=True)]


class Record:
    """What is written down while a run trains."""

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.history: dict[str, list[float]] = {name: [] for name in runs.history_columns(config)}
        self.spectra: list[tuple[int, Tensor, Tensor]] = []
        self.maps: list[tuple[int, Tensor]] = []
        self.seconds = 0.0
        self.started = datetime.now(UTC).isoformat(timespec="seconds")
        self.facts: Mapping[str, Any] = {}
        """Where and by what code it is being trained, see :func:`grokbook.runs.provenance.describe`."""
        self.earlier: list[dict[str, Any]] = []
        """The same of its first steps, where these were made elsewhere: each with ``until_step``."""
        self._grok_step: int | None = None

    @property
    def step(self) -> int:
        """The last step that was evaluated; -1 if none was."""
        return int(self.history["step"][-1]) if self.history["step"] else -1

    @property
    def grok_step(self) -> int | None:
        """The grok step, as soon as the record shows it."""
        if self._grok_step is None and self.step >= 0:
            self._grok_step = runs.grok_step(self.config, self.history)
        return self._grok_step

    @property
    def last_step(self) -> int:
        """Where the run ends, as far as is known now: the budget, or a tail beyond the grok step."""
        return max(runs.ending(self.config, self.grok_step), self.step)

    @property
    def cut_short(self) -> bool:
        """Whether the run ends by its budget: with a larger one it would go on."""
        return self.grok_step is None or self.step < self.grok_step + self.config.tail

    def goes_on(self, step: int, facts: Mapping[str, Any]) -> None:
        """From ``step`` on it is trained where ``facts`` say; what came before is remembered if that was elsewhere.

        Of a state from before this was written down nothing is known but that it comes from elsewhere.
        """
        if step > 0 and self.facts != facts:
            self.earlier.append({**self.facts, "until_step": step})
        self.facts = facts

    def add(self, step: int, seen: Observation) -> None:
        """Write down an evaluation, and the spectra where the schedule asks for them.

        ``TrainingDiverged``: a loss is not finite; nothing is written down.
        """
        if not all(math.isfinite(seen.outcome[name]) for name in ("train_loss", "test_loss")):
            raise TrainingDiverged(
                f"train loss {seen.outcome['train_loss']}, test loss {seen.outcome['test_loss']} at step {step} "
                f"(last finite at step {max(self.step, 0)}): {self.config.to_dict()}"
            )
        row = {"step": float(step), **seen.outcome, "weight_norm": seen.weight_norm}
        spectra = {layer: Spectrum.of_rows(getattr(seen, layer)) for layer in layers.LAYERS}
        row |= {column: measure.of(spectra[layer]) for column, (measure, layer) in runs.measured().items()}
        for name, values in self.history.items():
            values.append(row[name])
        if grokking.records_spectra(step, self.config.max_steps):
            self.spectra.append((step, seen.embedding, seen.neuron_logit))
        if grokking.records_map(step, self.config.max_steps):
            self._add_map(step, seen)

    def add_final(self, step: int, seen: Observation) -> None:
        """Record the spectra of the last step, wherever it falls."""
        if self.spectra[-1][0] != step:
            self.spectra.append((step, seen.embedding, seen.neuron_logit))
        if self.maps[-1][0] != step:
            self._add_map(step, seen)

    def _add_map(self, step: int, seen: Observation) -> None:
        p = self.config.p
        side = math.isqrt(seen.logits.shape[1])
        logits = seen.logits.unflatten(1, (side, side))[:, :p, :p, :p]
        self.maps.append((step, torch.stack([fourier.spectrum_2d(one) for one in logits]).float().cpu()))

    def to_spectra(self) -> Spectra:
        columns = (*zip(*self.spectra, strict=True), *zip(*self.maps, strict=True))
        return Spectra(*(torch.stack([torch.as_tensor(each) for each in column]) for column in columns))

    def to_history(self) -> pd.DataFrame:
        """One row per evaluation. A measure that is younger than every row is left out."""
        frame = pd.DataFrame(self.history)
        frame = frame.drop(columns=[name for name in runs.measured() if frame[name].isna().all()])
        return frame.astype({name: "int32" if name == "step" else "float32" for name in frame.columns})

    def to_run(self, weights: Matrices, facts: Mapping[str, Any]) -> Run:
        """The finished run; ``facts`` go into its provenance, besides what the record knows."""
        stopped = runs.STOPPED_BY_BUDGET if self.cut_short else "tail after grokking"
        times = {"started": self.started, "wall_seconds": round(self.seconds, 1), "stopped": stopped}
        spectra = self.to_spectra()
        if spectra.logits.max() <= torch.finfo(torch.float16).max:  # norms grow with p; half the bytes where they fit
            spectra = spectra._replace(logits=spectra.logits.half())
        return Run(
            config=self.config,
            history=self.to_history(),
            spectra=spectra,
            kept_weights=weights,
            provenance={**self.facts, **facts, **times, **({"earlier": self.earlier} if self.earlier else {})},
        )


class Moment(NamedTuple):
    """A run in training, right after an evaluation was written down."""

    record: Record
    """It goes on changing as the run goes on."""
    seen: Observation
    weights: Callable[[], Matrices]
    """Copies the weights, while training waits."""

    def glance(self) -> Run:
        """The run so far, for drawing: without weights and maps of the logits, and quickly made."""
        record = self._copied()
        record.maps = [(record.step, torch.empty_like(record.maps[0][1]))]  # that of now takes the transform of a table
        record.add_final(record.step, self.seen)
        history, spectra = record.to_history(), record.to_spectra()
        spectra = spectra._replace(logits_step=spectra.logits_step[:0], logits=spectra.logits[:0])
        return Run(config=record.config, history=history, spectra=spectra, kept_weights=None, provenance={})

    def run(self) -> Run:
        """The run so far, whole: it is the one whose step budget ends here, and that is what its config says.

        ``ValueError``: the run is at its start; no budget ends there.
        """
        ended = self._copied()
        ended.config = replace(ended.config, max_steps=ended.step)
        ended.add_final(ended.step, self.seen)
        return ended.to_run(self.weights(), {})

    def _copied(self) -> Record:
        copied = copy(self.record)
        copied.spectra, copied.maps, copied.earlier = [*copied.spectra], [*copied.maps], [*copied.earlier]
        return copied
