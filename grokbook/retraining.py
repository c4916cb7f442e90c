"""Runs trained once more, to see weights along the way: of a stored run only the last ones are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from grokbook import memory
from grokbook.engine import Stack
from grokbook.errors import RunDiffers
from grokbook.progress import Progress
from grokbook.record import layer_spectra
from grokbook.runs import LAYERS, Run
from grokbook.training import initial_weights, resolve_device
from grokbook.weights import Weights

TOLERANCE = 1e-3
"""How far the norms in the spectra may be from the recorded ones, as a share of the largest."""


def weights_along(
    run: Run, *, sources: Iterable[Run] = (), device: str = "cpu", progress: bool = True
) -> Iterator[tuple[int, Weights]]:
    """Train a run anew and yield its weights, on the CPU, at the steps at which its spectra were recorded.

    On the same kind of machine, with as many threads, these are the weights of the stored run to the last bit. On
    another one rounding errors grow, and while a run groks they may lead elsewhere. So the spectra of both layers are
    compared with the record on the way.

    Args:
        run: what to train anew.
        sources: the run that it takes modules from, with its weights, if it is a pre-grokked one.
        device: see :func:`grokbook.training.resolve_device`.
        progress: whether to report to standard error.

    Raises:
        RunDiffers: what is trained is not the stored run; nothing from that step on is yielded.
        ValueError: the device is unknown, or the run does not fit into memory.
    """
    config, resolved = run.config, resolve_device(device)
    memory.check(config, resolved)
    start = initial_weights(config, {source.config: source for source in sources})
    stack = Stack([config], [start], resolved)
    history = run.history.set_index("step").astype(float)
    with Progress(f"{config.label}, once more", total=run.steps, enabled=progress) as report:
        for time, step in enumerate(run.spectra.step.tolist()):
            stack.advance(step - stack.steps[0])
            _compare(run, time, stack)
            report.update(step, history.loc[step].to_dict())
            yield step, stack.weights_of(0)


def _compare(run: Run, time: int, stack: Stack) -> None:
    """Compare the spectra of a stack of one run with what was recorded at the same step."""
    found = layer_spectra(run.config.p, stack.weights.map(lambda w: w.detach()))
    for layer, rows in zip(LAYERS, found, strict=True):
        recorded = getattr(run.spectra, layer)[time]
        if not (rows[0].cpu() - recorded).abs().max() <= TOLERANCE * recorded.max():
            raise RunDiffers(
                f"{run.config.label}: at step {stack.steps[0]} the spectrum of the {layer} is not that of the stored "
                f"run, which was trained on {run.provenance['device']}, torch {run.provenance['torch']}: rounding "
                "errors differ from machine to machine, and grow"
            )
