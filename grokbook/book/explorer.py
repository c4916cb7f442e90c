"""What the explorer page shows: every published run, in files that a page can load from a disk.

One script has the list of all runs. For each run there is one with its accuracies and the spectra of both layers
through training, another one with its logits in two dimensions where it was published with maps of them, and the
spectra as CSV for readers who want to go on with them. A page from ``file://`` may load scripts but not fetch data, so
the scripts call ``grokbook.add(key, value)``, as the side files of figures do.

Numbers are bytes in base64: spectra in 16 bits, in parts of the largest norm at any time but that of the constant;
maps in 8 bits, in percent of the largest component of each step but constant × constant.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

import pandas as pd
from jaxtyping import Float
from torch import Tensor

from grokbook.data.operations import pretty
from grokbook.figures.groups import brief_outcome
from grokbook.figures.maps import percent, without_constant
from grokbook.figures.style import label_of
from grokbook.fourier.layers import LAYERS
from grokbook.fourier.transform import frequency_labels
from grokbook.runs.config import RunConfig
from grokbook.runs.run import Run

KEY_DIGITS = 8
"""Hex digits of a run's hash that name it in a link."""
LEVELS = 2**16 - 1


def key_of(run: Run) -> str:
    """What a link calls the run."""
    return run.config.hash[:KEY_DIGITS]


def setting(run: Run) -> str:
    """In what a run differs from others on the same operation; what is unusual comes first, for menus are narrow."""
    config, found = run.config, []
    if config.source is not None:
        found.append(f"{config.module} from {', '.join(map(pretty, config.source.operations))}")
    plain = f"p = {config.p}, r = {config.fraction:g}, seed {config.seed}"
    return ", ".join([*found, *config.unusual, plain])


def index(published: Iterable[Run]) -> list[dict[str, Any]]:
    """What the page knows of each run at first, ordered as its menus are; ``ValueError`` where two have one key."""
    entries: dict[str, dict[str, Any]] = {}
    for run in sorted(published, key=_order):
        if key_of(run) in entries:
            raise ValueError(f"two runs begin with {key_of(run)}: lengthen KEY_DIGITS")
        entries[key_of(run)] = {
            "key": key_of(run),
            "name": run.config.name,
            "operation": label_of(run),
            "setting": setting(run),
            "ended": brief_outcome([run]),
            "steps": run.steps,
            "maps": [pretty(text) for text in run.config.operations] if len(run.spectra.logits) else [],
        }
    return list(entries.values())


def _order(run: Run) -> tuple[object, ...]:
    """Simple operations first, and of each the runs that the paper is about; the page opens with the first of a+b."""
    config, text = run.config, label_of(run)
    special = (config.source is not None, bool(config.unusual), config.p != RunConfig.p)
    return (len(config.operations), len(text), text, *special, config.fraction, config.seed, setting(run))


def spectra_script(run: Run) -> str:
    """Accuracies and the spectra of both layers, as the script that hands them to the page."""
    history = {part: run.history[f"{part}_accuracy"].round(4).astype(float).round(4) for part in ("train", "test")}
    value = {
        "p": run.config.p,
        "grokStep": run.grok_step,
        "history": {name: column.tolist() for name, column in {"step": run.history["step"], **history}.items()},
        "step": run.spectra.step.tolist(),
        **{layer: _quantised(getattr(run.spectra, layer).float()) for layer in LAYERS},
    }
    return script(f"run-{key_of(run)}", value)


def _quantised(rows: Float[Tensor, "time p"]) -> dict[str, Any]:
    """Rows in 16 bits. The constant, which no figure shows, is clipped to the largest of the others."""
    top = float(rows[:, 1:].max()) or 1.0
    levels = (rows / top * LEVELS).round().clamp(0, LEVELS).numpy().astype("<u2")
    return {"top": float(f"{top:.6g}"), "rows": base64.b64encode(levels.tobytes()).decode()}


def maps_script(run: Run) -> str:
    """The logits in two dimensions, for each operation and time, as the script that hands them to the page."""
    maps = run.spectra.logits.float().numpy().swapaxes(0, 1)  # [operation, time, p, p]
    value = {
        "step": run.spectra.logits_step.tolist(),
        "labels": frequency_labels(run.config.p),
        "tops": [[float(f"{without_constant(norms).max():.4g}") for norms in operation] for operation in maps],
        "cells": [
            base64.b64encode(b"".join(percent(norms).tobytes() for norms in operation)).decode() for operation in maps
        ],
    }
    return script(f"maps-{key_of(run)}", value)


def spectra_csv(run: Run) -> str:
    """The norms of cosine and sine for every recorded step and frequency, in both layers."""
    spectra = {layer: run.spectrum(layer, slice(None)) for layer in LAYERS}
    columns = {
        f"{layer}_{wave}": getattr(spectrum, wave).flatten().numpy()
        for layer, spectrum in spectra.items()
        for wave in ("cosine", "sine")
    }
    steps, frequencies = run.spectra.step.tolist(), range(1, run.config.p // 2 + 1)
    rows = pd.MultiIndex.from_product([steps, frequencies], names=["step", "frequency"])
    return pd.DataFrame(columns, rows).to_csv(float_format="%.4g", lineterminator="\n")


def script(key: str, value: object) -> str:
    """The script that hands a value to the page, under this key."""
    return f"grokbook.add({json.dumps(key)},{json.dumps(value, separators=(',', ':'))});\n"
