"""Runs trained once more, to see weights along the way: of a stored run only the last ones are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from grokbook import model
from grokbook.fourier import layers
from grokbook.model.compiled import steps_by
from grokbook.model.protocol import Matrices
from grokbook.runs.initial import by_source, initial_weights
from grokbook.runs.run import Run
from grokbook.training import memory
from grokbook.training.devices import cpu_threads, resolve_device
from grokbook.training.engine import Stack
from grokbook.training.progress import Progress, accuracies


def weights_along(
    run: Run, *, sources: Iterable[Run] = (), device: str = "cpu", progress: bool = True
) -> Iterator[tuple[int, Matrices]]:
    """Train a run anew and yield its weights, on the CPU, at the steps at which its spectra were recorded.

    On the same kind of machine, with as many threads and the same code, these are the weights of the stored run to the
    last bit: steps are made by torch or in C, as its own were. Otherwise rounding errors grow, and it becomes a twin;
    :func:`deviation` says how near. Among ``sources`` is the run that a pre-grokked one takes modules from, with its
    weights.

    ``ValueError``: the device is unknown, or the run does not fit into memory.
    """
    config, facts, resolved = run.config, run.provenance, resolve_device(device)
    memory.check(config, resolved)
    start = initial_weights(config, by_source([config], list(sources)))
    stack = Stack([config], [start], resolved)
    history = run.history.set_index("step").astype(float)
    with Progress(f"{config.label}, once more", total=run.steps, enabled=progress) as report:
        for step in run.spectra.step.tolist():
            # Last bits depend on the number of threads, and on what makes the steps: torch, before there was a choice.
            with cpu_threads(facts.get("threads", 1)), steps_by(facts.get("cpu_step", "torch")):
                stack.advance(step - stack.steps[0])
            report.show(step, accuracies(history.loc[step].to_dict()))
            yield step, stack.weights_of(0)


def deviation(run: Run, twin: Iterable[tuple[int, Matrices]]) -> float:
    """How far a twin's spectra are from the recorded ones: the largest difference, as a share of the largest norm.

    Over both layers and all steps of ``twin``, which are those of the run's spectra; 0 if every norm is the same.
    """
    largest = 0.0
    for time, (_, weights) in enumerate(twin):
        stacked = weights.map(lambda w: w[None])
        for layer, (rows,) in layers.spectra(model.of(run.config), stacked, run.config.p).items():
            recorded = getattr(run.spectra, layer)[time]
            largest = max(largest, float((rows - recorded).abs().max() / recorded.max()))
    return largest
