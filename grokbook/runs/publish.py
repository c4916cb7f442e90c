"""Copies of runs that are published with the book: what its pages show, in few bytes.

History, one-dimensional spectra and provenance are always kept. Weights are most of a run, and only wanted where a
later run starts from them or a page computes something from them, for which at times the answers of the model do, p²
small numbers; maps of the 2-D logits, where a page shows them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from grokbook.runs.run import Run
from grokbook.runs.store import FolderStore

Maps = Literal["all", "last", "none"]
"""Which maps of the 2-D logits to keep: of all recorded steps, of the last one, of none."""


def trimmed(run: Run, *, maps: Maps = "last", weights: bool = False, answers: bool = False) -> Run:
    """The run with these maps and, if they are asked for, weights; its provenance says what was left out.

    With ``answers``, what the final model answers to each pair is kept where the weights are left out.
    """
    recorded = run.spectra.logits_step
    first = {"all": 0, "last": max(len(recorded) - 1, 0), "none": len(recorded)}[maps]
    spectra = run.spectra._replace(logits_step=recorded[first:].clone(), logits=run.spectra.logits[first:].clone())
    left_out = list(run.provenance.get("left_out", []))
    if first:
        left_out.append("maps of the 2-D logits" if maps == "none" else "maps of the 2-D logits but the last")
    if not weights and run.has_weights:
        left_out.append("weights")
    facts = {**run.provenance, "left_out": left_out} if left_out else run.provenance
    kept_answers = run.answers.short() if answers and run.has_weights and not weights else run.kept_answers
    kept_weights = run.kept_weights if weights else None
    return replace(run, spectra=spectra, kept_weights=kept_weights, kept_answers=kept_answers, provenance=facts)


def publish(run: Run, to: Path, *, maps: Maps = "last", weights: bool = False, answers: bool = False) -> Path:
    """Write a trimmed copy of a run into a folder of published ones, and return where it is.

    ``FileExistsError``: the run is published already. Published data is not replaced. ``OSError``: it cannot be
    written.
    """
    if (to / run.config.name).exists():
        raise FileExistsError(f"{run.config.label} is published already, in {to / run.config.name}")
    return FolderStore(to).put(trimmed(run, maps=maps, weights=weights, answers=answers))
