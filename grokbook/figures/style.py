"""What figures share: colours, dashes, names of layers and operations, and the step axis."""

from __future__ import annotations

from collections.abc import Mapping

from grokbook.data.operations import pretty as pretty
from grokbook.fourier import layers
from grokbook.runs.run import Run

PLAIN_LAYERS: Mapping[str, str] = {name: layer.title for name, layer in layers.LAYERS.items()}
"""Layers by name, as captions write them: "embedding", "neuron–logit map"."""
LAYER_SYMBOLS: Mapping[str, str] = {name: layer.symbol for name, layer in layers.LAYERS.items()}
LAYERS: Mapping[str, str] = {
    name: f"{title} {LAYER_SYMBOLS[name].replace('_', '<sub>')}</sub>" for name, title in PLAIN_LAYERS.items()
}
"""Layers by name, as axes write them, with their symbols."""
PALETTE = ("#144a94", "#a5400c", "#063a22", "#e23bb0", "#0f7486", "#a88300", "#4f33e8", "#9f7c72")
"""Distinct in lightness as well as in hue, for colour-blind readers and grey print. They are for light pages; the
book's style sheet names them, and what takes their place on dark ones."""
TRAIN = "#8b949c"
"""Train curves: pale, thin and solid, so that nobody takes them for a run's test curve."""
DASHES = ("solid", "dash", "dashdot", "6px 2px", "8px 2px 2px 2px 2px 2px", "12px 3px", "solid", "dash")
COSINE, SINE = PALETTE[0], PALETTE[1]
LOG_STEPS = {"type": "log", "dtick": 1}
STEP_AXIS = {**LOG_STEPS, "title": "step"}


def label_of(run: Run) -> str:
    """The operations of a run, as they are written in a figure."""
    return ", ".join(map(pretty, run.config.operations))
