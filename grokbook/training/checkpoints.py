"""States of runs in progress, so that a killed process costs about a minute, and a larger budget nothing done before.

A state is one safetensors file: weights and optimiser, the record so far, the step, and a checksum. It is written
beside its place and renamed. The state of a run that its budget has ended stays under the run's name, and the same
run goes on from there when it is asked for with another end.
"""

from __future__ import annotations

import glob
import hashlib
import json
import math
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from grokbook import runs
from grokbook.errors import DamagedRun
from grokbook.runs import disk, grokking
from grokbook.runs.config import RunConfig
from grokbook.runs.run import Spectra
from grokbook.training.record import Record

_ENDED = "ended-"
_UNKNOWN_ORIGIN = '{"facts": {}, "earlier": []}'  # of states from before it was written down


class State(NamedTuple):
    """A run between two updates."""

    step: int
    tensors: dict[str, Tensor]
    """What the next update depends on, see :meth:`grokbook.training.engine.Stack.state`."""
    record: Record
    file: Path


class Checkpoints:
    """A folder of states. It is made when the first one is saved."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, config: RunConfig) -> State | None:
        """The state to go on from: the run's own, else that of the same run with a smaller budget; None if none.

        One that has come further than this config would is none: a run must not depend on what else was trained.
        ``DamagedRun``: the file cannot be read or does not fit the config; the message says what to delete.
        """
        for file in filter(Path.exists, self._files(config)):
            try:
                state = _read(file, config)
            except DamagedRun as error:
                if not file.name.startswith(_ENDED):
                    raise
                warnings.warn(f"not used: {error}", stacklevel=2)  # without it the run is trained from its start
                return None
            if state.step <= runs.ending(config, state.record.grok_step):
                return state
        return None

    def has_own(self, config: RunConfig) -> bool:
        """Whether the run itself has a state here."""
        return self._files(config)[0].exists()

    def save(self, config: RunConfig, step: int, tensors: dict[str, Tensor], record: Record) -> None:
        """Write the state of a run, atomically."""
        columns = {name: torch.tensor(values, dtype=torch.float64) for name, values in record.history.items()}
        parts = {"": tensors, "history.": columns, "spectra.": record.to_spectra()._asdict()}
        named = {prefix + name: t for prefix, part in parts.items() for name, t in part.items()}
        origin = json.dumps({"facts": dict(record.facts), "earlier": record.earlier})
        facts = {"step": str(step), "seconds": repr(record.seconds), "started": record.started, "origin": origin}
        facts["sha256"] = _sha256(named, facts)
        file, _ = self._files(config)
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f"{file.stem}.{os.getpid()}.tmp")
        try:
            runs.save_tensors(named, temporary, facts)
            disk.flush(temporary)
            os.replace(temporary, file)
            disk.flush(self.folder)
        finally:
            temporary.unlink(missing_ok=True)

    def close(self, config: RunConfig, step: int, *, keep: bool) -> None:
        """A run is stored that ended at ``step``: its state goes, or is kept for a config with a larger budget.

        So does a state that was kept before, unless it has come further.
        """
        own, ended = self._files(config)
        if _step(ended) > step:
            own.unlink(missing_ok=True)
        elif keep and own.exists():
            os.replace(own, ended)
        elif not keep:
            own.unlink(missing_ok=True)
            ended.unlink(missing_ok=True)
        for unfinished in self.folder.glob(f"{glob.escape(config.former_name)}.*.tmp"):
            unfinished.unlink(missing_ok=True)  # of a process killed while writing

    def clean(self) -> int:
        """Remove the states that are kept for larger budgets, and return how many bytes they were."""
        size = 0
        for file in self.folder.glob(f"{_ENDED}*.safetensors"):
            size += file.stat().st_size
            file.unlink()
        return size

    def _files(self, config: RunConfig) -> tuple[Path, Path]:
        return self.folder / f"{config.former_name}.safetensors", self.folder / f"{_ENDED}{config.hash}.safetensors"


def _step(file: Path) -> int:
    """The step of the state in a file; -1 if there is none that can be read."""
    try:
        with safe_open(file, framework="pt") as opened:
            return int(opened.metadata()["step"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError):
        return -1


def _sha256(tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> str:
    """A digest of all that a state says."""
    digest = hashlib.sha256(repr(sorted(facts.items())).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _read(file: Path, config: RunConfig) -> State:
    try:
        with safe_open(file, framework="pt") as opened:
            facts: dict[str, str] = opened.metadata()
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (not a mapping)
        if facts.pop("sha256") != _sha256(tensors, facts):
            raise ValueError("its checksum is not the recorded one")
        record = Record(config)
        spectra = Spectra(**{name: tensors.pop(f"spectra.{name}") for name in Spectra._fields})
        names = [name.removeprefix("history.") for name in tensors if name.startswith("history.")]
        saved = {name: tensors.pop(f"history.{name}").tolist() for name in names}
        # A measure that was not yet recorded, or is no more, costs no run its state.
        lacking = dict.fromkeys(runs.measured(), [math.nan] * len(saved["step"]))
        columns = {name: saved[name] if name in saved else lacking[name] for name in runs.history_columns(config)}
        # The last row of a run with another budget may fall where this one does not look.
        kept = [i for i, step in enumerate(columns["step"]) if grokking.evaluates(int(step), config.eval_every)]
        record.history = {name: [values[i] for i in kept] for name, values in columns.items()}
        record.spectra = list(zip(spectra.step.tolist(), spectra.embedding, spectra.neuron_logit, strict=True))
        record.maps = list(zip(spectra.logits_step.tolist(), spectra.logits, strict=True))
        record.seconds, record.started = float(facts["seconds"]), facts["started"]
        origin = json.loads(facts.get("origin", _UNKNOWN_ORIGIN))
        record.facts, record.earlier = origin["facts"], origin["earlier"]
        return State(int(facts["step"]), tensors, record, file)
    except (SafetensorError, OSError, AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise damaged(file, error) from error


def damaged(file: Path, error: object) -> DamagedRun:
    """What to say of a state that cannot be used."""
    return DamagedRun(f"the checkpoint {file} cannot be read ({error}); delete it to train this run from its start")
