"""Training that is watched: how it is shown, stopped and taken up again."""

import json
import signal
import sys
from types import SimpleNamespace

import IPython
import nbformat
import plotly
import pytest
from book_sample import HEADER
from same import assert_same_run

from grokbook import RunStore
from grokbook.book.execute import execute_notebook
from grokbook.errors import RunsMissing
from grokbook.figures import live
from grokbook.runs.store import STORED_ONLY_VARIABLE
from grokbook.training.trainer import Trainer

PLOTLY_MIME = "application/vnd.plotly.v1+json"


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "store")


def interrupt_at(monkeypatch, step: int, times: int = 1) -> None:
    """Send the signal of Ctrl-C as a run comes by ``step``."""
    watch = live._Watch.__call__

    def interrupted(self, moment):
        if moment.record.step == step:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
        watch(self, moment)

    monkeypatch.setattr(live._Watch, "__call__", interrupted)


@pytest.fixture
def notebook(monkeypatch):
    """A kernel that keeps what is displayed: a list of (id, bundle), the last one of an id being what is seen."""
    shown = []

    def display(bundle, *, raw, display_id):
        assert raw
        assert display_id
        name = f"display {len(shown)}"
        shown.append((name, bundle))
        return SimpleNamespace(update=lambda bundle, raw: shown.append((name, bundle)))

    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(kernel=True))
    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr(live, "UPDATE_SECONDS", 0.0)
    monkeypatch.setattr(live, "SHARE", 1e9)
    monkeypatch.setattr(plotly.io.renderers, "default", "plotly_mimetype")
    return shown


def test_a_watched_run_is_the_run(store, tiny, tiny_run, capsys):
    assert_same_run(live.train(tiny(), store=store, device="cpu"), tiny_run)
    assert tiny() in store
    assert "a+b" in capsys.readouterr().err, "without a notebook, progress is told in lines"


def test_an_interrupt_keeps_what_was_computed_and_the_next_call_goes_on(store, tiny, tiny_run, monkeypatch, capsys):
    begun = []
    begin = Trainer._begin
    monkeypatch.setattr(
        Trainer,
        "_begin",
        lambda self, slots, slot, *rest: (begin(self, slots, slot, *rest), begun.append(slots.stack.steps[slot])),
    )
    with monkeypatch.context() as context:
        interrupt_at(context, 10)
        part = live.train(tiny(), store=store, device="cpu")
    assert (part.steps, part.config) == (10, tiny(max_steps=10))
    assert_same_run(part, live.training.train([tiny(max_steps=10)], "cpu", progress=False)[0])
    assert {"torch", "device", "wall_seconds"} <= set(part.provenance)
    said = capsys.readouterr().out
    assert said == f"{tiny().label}: stopped at step 10 of at most 30; call it again to go on from here.\n"
    assert tiny() not in store
    begun.clear()
    assert_same_run(live.train(tiny(), store=store, device="cpu"), tiny_run)
    assert begun == [10]


def test_an_interrupt_at_the_very_start_waits_for_the_first_step(store, tiny, monkeypatch):
    interrupt_at(monkeypatch, 0)
    assert live.train(tiny(), store=store, device="cpu").steps == 1


def test_a_second_interrupt_does_not_wait(store, tiny, monkeypatch):
    interrupt_at(monkeypatch, 10, times=2)
    with pytest.raises(KeyboardInterrupt, match="repeat the command to go on"):
        live.train(tiny(), store=store, device="cpu")


def test_interrupts_are_as_before_afterwards(store, tiny, monkeypatch):
    before = signal.getsignal(signal.SIGINT)
    live.train(tiny(max_steps=1), store=store, device="cpu")
    assert signal.getsignal(signal.SIGINT) is before
    interrupt_at(monkeypatch, 1)
    live.train(tiny(max_steps=2), store=store, device="cpu")
    assert signal.getsignal(signal.SIGINT) is before


def test_stopped_in_the_source_of_a_transfer_there_is_no_run_to_return(store, tiny, monkeypatch):
    interrupt_at(monkeypatch, 10)
    with pytest.raises(KeyboardInterrupt, match="still to train"):
        live.train(tiny("a-b", source=tiny(), transplant=("W_E",)), store=store, device="cpu")


def test_a_stored_run_is_only_shown_unless_it_is_to_train_again(store, tiny, tiny_run, monkeypatch, capsys):
    store.put(tiny_run)
    monkeypatch.setattr(live.training, "train", lambda *_, **__: pytest.fail("trained"))
    assert_same_run(live.train(tiny(), store=store, device="cpu"), tiny_run)
    assert "is stored: nothing was trained" in capsys.readouterr().out
    closed = RunStore(store.path, stored_only=True)
    assert_same_run(live.train(tiny(), store=closed, device="cpu", again=True), tiny_run)
    assert capsys.readouterr().out == "", "pages of the book say nothing about it"
    with pytest.raises(RunsMissing):
        live.train(tiny(seed=5), store=closed, device="cpu")


def test_again_trains_anew_and_can_be_stopped(store, tiny, tiny_transfer, tiny_run, monkeypatch, capsys):
    for run in (tiny_run, tiny_transfer):
        store.put(run)
        assert_same_run(live.train(run.config, store=store, device="cpu", again=True), run)
    assert "trained" not in capsys.readouterr().out
    interrupt_at(monkeypatch, 10)
    assert live.train(tiny(), store=store, device="cpu", again=True).steps == 10
    assert capsys.readouterr().out.endswith("the whole run is stored.\n")
    assert store.get(tiny()).steps == 30


def test_a_notebook_shows_one_figure_that_follows_the_run(store, tiny, tiny_run, notebook):
    live.train(tiny(), store=store, device="cpu")
    assert {name for name, _ in notebook} == {"display 0"}
    steps = [bundle[PLOTLY_MIME]["layout"]["meta"]["title"].split()[-1] for _, bundle in notebook]
    assert steps == [str(step) for step in tiny_run.history["step"]]
    assert [set(bundle) for _, bundle in notebook[:-1]] == [{PLOTLY_MIME, "text/plain"}] * (len(steps) - 1)
    last = notebook[-1][1][PLOTLY_MIME]
    assert last["layout"]["meta"]["caption"]
    json.dumps(last)


def test_the_figure_of_a_stopped_run_shows_where_it_stopped(store, tiny, notebook, monkeypatch):
    interrupt_at(monkeypatch, 10)
    live.train(tiny(), store=store, device="cpu")
    assert "at step 10" in notebook[-1][1][PLOTLY_MIME]["layout"]["meta"]["title"]


def test_drawing_takes_a_small_share_of_the_time(tiny_run, notebook, monkeypatch):
    monkeypatch.setattr(live, "UPDATE_SECONDS", 0.5)
    monkeypatch.setattr(live, "SHARE", 0.03)
    now = [100.0]
    monkeypatch.setattr(live.time, "perf_counter", lambda: now[0])
    for cost in (0.01, 0.1):
        notebook.clear()
        screen = live.Screen()
        draw = screen._draw

        def slow(run, cost=cost, draw=draw):
            now[0] += cost
            return draw(run)

        screen._draw = slow
        for _ in range(100):
            screen.show(lambda: tiny_run)
            now[0] += 0.1
        assert len(notebook) == pytest.approx(10 / max(0.5, cost / 0.03), abs=2)
        assert screen.seconds == pytest.approx(cost * len(notebook))


@pytest.mark.parametrize("missing", ["IPython", "kernel", "plotly"])
def test_without_a_kernel_or_plotly_there_is_no_figure(notebook, monkeypatch, missing, store, tiny):
    assert live.in_notebook()
    if missing == "kernel":
        monkeypatch.setattr(IPython, "get_ipython", lambda: None)
    elif missing == "plotly":
        monkeypatch.setitem(sys.modules, "plotly", None)
    else:
        monkeypatch.delitem(sys.modules, "IPython")
    assert not live.in_notebook()
    live.train(tiny(max_steps=2), store=store, device="cpu")
    assert notebook == []


def test_an_executed_notebook_keeps_the_last_figure(tmp_path, tiny):
    values = ", ".join(f"{name}={value!r}" for name, value in tiny().to_dict().items())
    cells = [
        "import grokbook as gb",
        f"run = gb.live.train(gb.RunConfig({values}), store=gb.RunStore('s'), device='cpu')",
    ]
    code = "\n".join(f"```{{code-cell}} ipython3\n{cell}\n```\n" for cell in cells)
    source = tmp_path / "watch.md"
    source.write_text(f"{HEADER}# Watch\n\n{code}")
    executed = nbformat.read(
        execute_notebook(source, tmp_path / "out.ipynb", env={STORED_ONLY_VARIABLE: ""}, note=False), 4
    )
    outputs = [output for output in executed.cells[-1].outputs if output.output_type != "stream"]
    (figure,) = (output.data[PLOTLY_MIME] for output in outputs)
    assert figure["layout"]["meta"]["title"].endswith("at step 30")
