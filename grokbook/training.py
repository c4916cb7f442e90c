"""Training runs from configs: evaluation schedule, stop rule, pre-grokked modules, checkpoints.

The history of a run has one row per evaluation, with the columns

    step                                                        optimiser updates made
    train_loss, test_loss                                       mean cross-entropy in nats; summed over operations
    train_accuracy, test_accuracy                               share of pairs; mean over operations
    ffs_embedding, fcr_embedding, gini_embedding                measures of W_E (paper §7)
    ffs_neuron_logit, fcr_neuron_logit, gini_neuron_logit       measures of W_L = W_U W_out (Appendix H)
    weight_norm                                                 L2 norm of all weights together

and for a mixture the losses and accuracies of each operation, named like ``test_accuracy[a+b]``.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from grokbook import fourier, measures, model, provenance, runs, schedule
from grokbook.config import RunConfig
from grokbook.engine import Evaluation, Stack
from grokbook.progress import Progress
from grokbook.runs import DamagedRun, Run, Spectra
from grokbook.weights import Weights

CHECKPOINT_SECONDS = 60.0
INIT_STREAM = 1
"""Stream of the seed that initial weights are drawn from; the split of the data has its own (``grokbook.data``)."""


class TrainingDiverged(RuntimeError):
    """The loss is no longer a finite number; the message says at which step and for which config."""


def resolve_device(device: str) -> torch.device:
    """Return CUDA for "auto" where there is one, else the CPU; what is not there raises ``ValueError``."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"unknown device {device!r}; use auto, cpu or cuda") from error
    if resolved.type not in ("cpu", "cuda"):
        raise ValueError(f"device {device!r} is not supported; use auto, cpu or cuda")
    if resolved.type == "cuda" and (resolved.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device {device!r}: there is no such CUDA device here")
    return resolved


def train(
    configs: Iterable[RunConfig],
    device: str = "auto",
    *,
    sources: Iterable[Run] = (),
    on_finish: Callable[[Run], None] | None = None,
    checkpoints: Path | None = None,
    progress: bool = True,
) -> list[Run]:
    """Train each config and return the runs in order.

    Args:
        configs: what to train; equal configs are trained once.
        device: "auto", "cpu", "cuda" or "cuda:N".
        sources: finished runs that pre-grokked configs may start from; a source that is not among them is trained
            first.
        on_finish: called with each run as soon as it ends, sources included: keep it there, and an interrupt later
            loses nothing.
        checkpoints: folder for the states of runs in progress; a run found there continues where it was.
        progress: whether to report to standard error.

    Raises:
        ValueError: the device is unknown.
        TrainingDiverged: a loss is not finite.
        DamagedRun: a checkpoint cannot be read.
    """
    resolved = resolve_device(device)
    finished = {run.config: run for run in sources}
    wanted = list(configs)

    def ensure(config: RunConfig) -> None:
        if config in finished:
            return
        if config.source is not None:
            ensure(config.source)
        file = None if checkpoints is None else checkpoints / f"{config.name}.safetensors"
        run = _train_one(config, finished, resolved, file, progress)
        if on_finish is not None:
            on_finish(run)
        if file is not None:  # only now: had the run not been kept, its last state must be
            file.unlink(missing_ok=True)
        finished[config] = run

    for config in wanted:
        ensure(config)
    return [finished[config] for config in wanted]


def initial_weights(config: RunConfig, sources: Mapping[RunConfig, Run]) -> Weights:
    """The weights a run starts from: fresh from its seed, with what is transplanted from its source."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([config.seed, INIT_STREAM])))
    fresh = model.initialise(
        config.d_vocab, d_model=config.d_model, n_heads=config.n_heads, d_mlp=config.d_mlp, rng=rng
    )
    if config.source is None:
        return fresh
    donor = sources[config.source].weights
    return fresh._replace(**{name: getattr(donor, name) for name in config.transplant})


def _train_one(
    config: RunConfig,
    sources: Mapping[RunConfig, Run],
    device: torch.device,
    file: Path | None,
    progress: bool,
) -> Run:
    """Train a run from its start, or from its checkpoint ``file``."""
    stack = Stack([config], [initial_weights(config, sources)], device)
    record = Record(config)
    if file is not None and file.exists():
        record = load_checkpoint(file, stack, config)
    began, saved = time.monotonic() - record.seconds, time.monotonic()
    with Progress(config.label, total=config.max_steps, start=stack.step, enabled=progress) as bar:
        while True:
            if not record.reached(stack.step):
                record.add(stack.step, stack.evaluate(), stack.weights.unstack()[0])
                bar.update(stack.step, record.rows[-1])
            last = record.last_step()
            if stack.step >= last:
                break
            record.seconds = time.monotonic() - began
            if file is not None and time.monotonic() - saved > CHECKPOINT_SECONDS:
                save_checkpoint(file, stack, record)
                saved = time.monotonic()
            stack.advance(schedule.next_evaluation(stack.step, config.eval_every, last))
        record.seconds = time.monotonic() - began
        weights = stack.weights.map(lambda t: t.detach().cpu()).unstack()[0]
        record.add_final(stack.step, stack.evaluate(), weights)
        run = record.to_run(weights, device)
        ending = f"grokked at step {run.grok_step}" if run.grok_step is not None else "did not grok"
        bar.finish(f"{ending}; {run.steps} steps in {record.seconds:.0f} s")
    return run


class Record:
    """What is written down while a run trains."""

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.rows: list[dict[str, float]] = []
        self.spectra: list[tuple[int, Tensor, Tensor]] = []
        self.maps: list[tuple[int, Tensor]] = []
        self.seconds = 0.0
        self.started = datetime.now(UTC).isoformat(timespec="seconds")
        self._grok_step: int | None = None

    def reached(self, step: int) -> bool:
        """Whether ``step`` has been evaluated."""
        return bool(self.rows) and self.rows[-1]["step"] >= step

    def last_step(self) -> int:
        """Where the run ends, as far as is known now: the budget, or a tail beyond the grok step."""
        if self._grok_step is None:
            self._grok_step = runs.grok_step(self.config, pd.DataFrame(self.rows))
        if self._grok_step is None:
            return self.config.max_steps
        return min(self.config.max_steps, max(self._grok_step + self.config.tail, int(self.rows[-1]["step"])))

    def add(self, step: int, evaluation: Evaluation, weights: Weights) -> None:
        """Write down an evaluation, and the spectra where the schedule asks for them."""
        row = {"step": float(step), **_losses(self.config, evaluation)}
        if not (math.isfinite(row["train_loss"]) and math.isfinite(row["test_loss"])):
            before = int(self.rows[-1]["step"]) if self.rows else 0
            raise TrainingDiverged(
                f"train loss {row['train_loss']}, test loss {row['test_loss']} at step {step} "
                f"(last finite at step {before}): {self.config.to_dict()}"
            )
        spectra = layer_spectra(self.config, weights)
        for layer, spectrum in spectra.items():
            found = measures.measures_of(spectrum)
            row |= {f"{name}_{layer}": value for name, value in found._asdict().items()}
        row["weight_norm"] = measures.weight_norm(weights)
        self.rows.append(row)
        if schedule.records_spectra(step, self.config.max_steps):
            self._add_spectra(step, spectra)
        if schedule.records_map(step, self.config.max_steps):
            self._add_map(step, evaluation)

    def add_final(self, step: int, evaluation: Evaluation, weights: Weights) -> None:
        """Record the spectra of the last step, wherever it falls."""
        if self.spectra[-1][0] != step:
            self._add_spectra(step, layer_spectra(self.config, weights))
        if self.maps[-1][0] != step:
            self._add_map(step, evaluation)

    def _add_spectra(self, step: int, spectra: Mapping[str, fourier.Spectrum]) -> None:
        embedding, neuron_logit = (spectra[layer].to_rows().float().cpu() for layer in runs.LAYERS)
        self.spectra.append((step, embedding, neuron_logit))

    def _add_map(self, step: int, evaluation: Evaluation) -> None:
        p = self.config.p
        side = math.isqrt(evaluation.logits.shape[2])
        logits = evaluation.logits[0].unflatten(1, (side, side))[:, :p, :p, :p]
        self.maps.append((step, torch.stack([fourier.spectrum_2d(one) for one in logits]).cpu()))

    def history(self) -> pd.DataFrame:
        frame = pd.DataFrame(self.rows)
        return frame.astype({name: "int32" if name == "step" else "float32" for name in frame.columns})

    def to_spectra(self) -> Spectra:
        steps, embedding, neuron_logit = zip(*self.spectra, strict=True)
        map_steps, maps = zip(*self.maps, strict=True)
        return Spectra(
            torch.tensor(steps),
            torch.stack(embedding),
            torch.stack(neuron_logit),
            torch.tensor(map_steps),
            torch.stack(maps),
        )

    def to_run(self, weights: Weights, device: torch.device) -> Run:
        complete = self._grok_step is not None and self.rows[-1]["step"] >= self._grok_step + self.config.tail
        facts: dict[str, Any] = {
            **provenance.describe(device),
            "started": self.started,
            "wall_seconds": round(self.seconds, 1),
            "stopped": "tail after grokking" if complete else "step budget",
        }
        spectra = self.to_spectra()
        if spectra.logits.max() <= torch.finfo(torch.float16).max:  # norms grow with p; half the bytes where they fit
            spectra = spectra._replace(logits=spectra.logits.half())
        return Run(
            config=self.config,
            history=self.history(),
            spectra=spectra,
            weights=weights,
            provenance=facts,
        )


def layer_spectra(config: RunConfig, weights: Weights) -> dict[str, fourier.Spectrum]:
    """Spectra of the two layers that the paper looks at, over the p residues."""
    return {
        "embedding": fourier.spectrum(weights.W_E[: config.p].detach()),
        "neuron_logit": fourier.spectrum(model.neuron_logit_map(weights)[: config.p].detach()),
    }


def _losses(config: RunConfig, evaluation: Evaluation) -> dict[str, float]:
    """The loss and accuracy columns of one run."""
    columns: dict[str, float] = {}
    for name in ("train_loss", "test_loss", "train_accuracy", "test_accuracy"):
        values = getattr(evaluation, name)[0].tolist()
        total = sum(values)
        columns[name] = total if name.endswith("loss") else total / len(values)
    for name in tuple(columns):
        values = getattr(evaluation, name)[0].tolist()
        columns |= dict(zip(runs.per_operation(config, name), values, strict=False))
    return columns


def save_checkpoint(file: Path, stack: Stack, record: Record) -> None:
    """Write the state of a run in progress, atomically."""
    columns = list(record.rows[0])
    spectra = record.to_spectra()
    tensors = stack.state() | {f"spectra.{name}": t for name, t in spectra._asdict().items()}
    tensors["history"] = torch.tensor([[row[name] for name in columns] for row in record.rows], dtype=torch.float64)
    facts = {
        "step": str(stack.step),
        "columns": "\n".join(columns),
        "seconds": repr(record.seconds),
        "started": record.started,
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(f".{os.getpid()}.tmp")
    try:
        save_file({name: t.contiguous() for name, t in tensors.items()}, temporary, metadata=facts)
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)


def load_checkpoint(file: Path, stack: Stack, config: RunConfig) -> Record:
    """Bring ``stack`` to the state in ``file`` and return the record up to there.

    Raises:
        DamagedRun: the file cannot be read or does not fit the config.
    """
    record = Record(config)
    try:
        with safe_open(file, framework="pt") as opened:
            facts: dict[str, str] = opened.metadata()
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (not a mapping)
        columns = facts["columns"].split("\n")
        spectra = Spectra(**{name: tensors.pop(f"spectra.{name}") for name in Spectra._fields})
        record.rows = [dict(zip(columns, row, strict=True)) for row in tensors.pop("history").tolist()]
        record.spectra = list(zip(spectra.step.tolist(), spectra.embedding, spectra.neuron_logit, strict=True))
        record.maps = list(zip(spectra.logits_step.tolist(), spectra.logits.float(), strict=True))
        record.seconds, record.started = float(facts["seconds"]), facts["started"]
        stack.load_state(tensors, int(facts["step"]))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise DamagedRun(
            f"the checkpoint {file} cannot be read ({error}); delete it to train this run from its start"
        ) from error
    return record
