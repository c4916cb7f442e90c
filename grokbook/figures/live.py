"""Training that can be watched: in a notebook, a figure that follows the run and can be stopped at any time.

The figure (:func:`grokbook.figures.snapshot`) needs the extra ``book``. In a terminal, in a log, or without that extra
there are the lines that training always reports. Neither has a say in how the run goes: it is the same to the last bit.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from grokbook.runs.config import RunConfig
from grokbook.runs.run import Run
from grokbook.training import stopping
from grokbook.training import train as training
from grokbook.training.devices import resolve_device
from grokbook.training.ensure import RunStore, default_store
from grokbook.training.record import Moment

UPDATE_SECONDS = 0.5
"""Seconds between two updates of the figure, at least."""
SHARE = 0.03
"""Share of the time that drawing may take; where it is slow, the figure is updated less often."""


def train(config: RunConfig, *, store: RunStore | None = None, device: str = "auto", again: bool = False) -> Run:
    """Train a run, or read it if it is stored, and show train and test accuracy and the embedding's spectrum meanwhile.

    A notebook's interrupt (or Ctrl-C) ends training at the next evaluation. Nothing is lost: the state is kept, the
    same call goes on from there, and what has been computed is returned as the run whose ``max_steps`` is the step that
    was reached. A second interrupt does not wait; about a minute of training may be lost then.

    A pre-grokked run's source is trained first if it is missing. The store is by default that of the notebooks; for the
    device see :func:`grokbook.training.devices.resolve_device`. With ``again`` even what is stored is trained, to watch
    it; it will come out the same, is not stored twice, and, stopped, begins anew at the next call. Where training is
    off (``$GROKBOOK_STORED_ONLY``), the stored run is shown.

    Raises:
        RunsMissing: training is off, and the run is not stored.
        KeyboardInterrupt: interrupted twice, or while the source of a pre-grokked run was trained.
        ValueError, TrainingDiverged, DamagedRun, OSError: as :meth:`grokbook.RunStore.ensure` raises them.
    """
    store = store or default_store()
    resolve_device(device)  # before a screen is drawn
    screen = Screen() if in_notebook() else None
    stored = config in store
    again = again and stored and not store.stored_only
    watch = _Watch(screen)
    try:
        with stopping.first_signal(watch.stop, [signal.SIGINT]):  # lest it comes in the middle of an update
            if again:
                sources = [] if config.source is None else store.sources.ensure(config.source, device)
                (run,) = training.train([config], device, sources=sources, on_evaluation=watch)
            else:
                (run,) = store.ensure([config], device, on_evaluation=watch)
    except KeyboardInterrupt:
        moment = watch.stopped_at
        if moment is None or moment.record.config != config:
            raise
        run = moment.run()
        how = "the whole run is stored" if again else "call it again to go on from here"
        print(f"{config.label}: stopped at step {run.steps:,} of at most {config.max_steps:,}; {how}.")
    else:
        if stored and not again and not store.stored_only:
            print(f"{config.label} is stored: nothing was trained (again=True trains it once more).")
    if screen is not None:
        screen.finish(run)
    return run


class Screen:
    """A place in a notebook's output that shows one run after the other; the last one stays."""

    def __init__(self) -> None:
        from grokbook import figures  # here, lest the first update waits for Plotly

        self._draw = figures.snapshot
        self._handle: Any = None
        self._not_before = 0.0
        self.seconds = 0.0
        """Spent on drawing so far."""

    def show(self, run: Callable[[], Run]) -> None:
        """Draw a run, unless that was done just now, or takes more time than it may."""
        began = time.perf_counter()
        if began < self._not_before:
            return
        first = self._handle is None
        self._put(_light_bundle(self._draw(run())))
        spent = time.perf_counter() - began
        self.seconds += spent
        # The first update pays for what later ones find ready, and says nothing about them.
        self._not_before = began + max(UPDATE_SECONDS, 0.0 if first else spent / SHARE)

    def finish(self, run: Run) -> None:
        """Draw the last state, as any other figure of the notebook."""
        self._put(self._draw(run)._repr_mimebundle_())

    def _put(self, bundle: dict[str, Any]) -> None:
        from IPython.display import display

        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


def in_notebook() -> bool:
    """Whether figures can be shown and changed: in a Jupyter kernel that has Plotly."""
    ipython = sys.modules.get("IPython")  # imported already, if this is a notebook
    if ipython is None or not hasattr(ipython.get_ipython(), "kernel"):
        return False
    try:
        import plotly  # noqa: F401
    except ModuleNotFoundError:
        return False
    return True


def _light_bundle(figure: Any) -> dict[str, Any]:
    """A figure as JSON alone where the notebook takes that; HTML, as Colab needs it, can bring all of Plotly along."""
    import plotly.io as pio

    if "colab" in pio.renderers.default:
        return figure._repr_mimebundle_()
    caption = figure.layout.meta["caption"]
    return {**pio.renderers["plotly_mimetype"].to_mimebundle(figure.to_dict()), "text/plain": caption}


class _Watch:
    """Called after each evaluation: shows the run, and ends the training if that was asked for."""

    def __init__(self, screen: Screen | None) -> None:
        self._screen = screen
        self._stop = False
        self.stopped_at: Moment | None = None

    def stop(self, number: int) -> None:
        """Note that an interrupt came."""
        self._stop = True

    def __call__(self, moment: Moment) -> None:
        if self._stop and moment.record.step > 0:  # no budget ends at step 0, and step 1 is next
            self.stopped_at = moment
            raise KeyboardInterrupt
        if self._screen is not None:
            self._screen.show(moment.glance)
