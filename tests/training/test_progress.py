import io
import re

import pytest

from grokbook.training import progress
from grokbook.training.progress import Progress, reporter

ROW = {"train_accuracy": 1.0, "test_accuracy": 0.123, "train_loss": 0.5}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock for the log lines that the test winds forward."""
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_log_file_gets_plain_lines_at_intervals(clock):
    log = io.StringIO()
    with Progress("a+b", total=1000, stream=log) as bar:
        for step in range(0, 500, 10):
            bar.update(step, ROW)
            clock[0] += 1.0
        bar.finish("grokked at step 300; 490 steps in 50 s")
    lines = log.getvalue().splitlines()
    assert "\r" not in log.getvalue()
    assert "\x1b" not in log.getvalue()
    # One line after 30 s: 300 steps at 10 steps/s, 700 more to go.
    assert lines == [
        "a+b: step 300/1000, train 100.0%, test 12.3%, 10.0 steps/s, 1 min left",
        "a+b: grokked at step 300; 490 steps in 50 s",
    ]


def test_rate_and_time_left_of_a_resumed_run_count_from_where_it_resumed(clock):
    log = io.StringIO()
    with Progress("a+b", total=10_000, start=4000, stream=log) as bar:
        clock[0] += 60
        bar.update(4120, ROW)
    assert "step 4120/10000" in log.getvalue()
    assert "2.0 steps/s, 49 min left" in log.getvalue()


def test_a_run_that_stands_still_divides_by_nothing(clock):
    log = io.StringIO()
    with Progress("a+b", total=10, start=3, stream=log) as bar:
        clock[0] += 31
        bar.update(3, ROW)
    assert log.getvalue().endswith(", 0.0 steps/s\n"), "no time left is named"


def test_a_terminal_gets_a_bar_that_redraws_itself():
    terminal = Terminal()
    with Progress("a+b", total=40, stream=terminal) as bar:
        bar._bar.mininterval = 0
        bar.update(10, ROW)
        bar.update(40, ROW)
        bar.finish("did not grok; 40 steps in 1 s")
    text = terminal.getvalue()
    assert "\r" in text
    assert re.search(r"a\+b: 40/40 .*step/s, 00:00 left, train 100\.0%, test 12\.3%", text)
    assert text.rstrip().splitlines()[-1] == "a+b: did not grok; 40 steps in 1 s"


def test_a_bar_starts_where_the_run_resumes():
    terminal = Terminal()
    with Progress("a+b", total=40, start=30, stream=terminal):
        pass
    assert "a+b: 30/40" in terminal.getvalue()


def test_a_notebook_gets_a_bar():
    output = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    with Progress("a+b", total=40, stream=output) as bar:
        bar.update(40, ROW)
    assert "\r" in output.getvalue()


def test_an_interrupted_bar_is_closed():
    terminal = Terminal()
    with pytest.raises(KeyboardInterrupt), Progress("a+b", total=40, stream=terminal) as bar:  # noqa: PT012
        bar.update(10, ROW)
        raise KeyboardInterrupt
    assert bar._bar is None
    assert terminal.getvalue().endswith("\n"), "what is printed next begins on a line of its own"


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_switched_off_it_says_nothing(stream, clock):
    output = stream()
    with Progress("a+b", total=40, stream=output, enabled=False) as bar:
        clock[0] += 100
        bar.update(10, ROW)
        bar.finish("done")
    assert output.getvalue() == ""


def test_standard_error_is_the_default(capsys):
    with Progress("a+b", total=40) as bar:
        bar.finish("done")
    assert capsys.readouterr() == ("", "a+b: done\n")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (89.0, "89 s"), (90.0, "2 min"), (3599.0, "60 min"), (3600.0, "1.0 h"), (9e4, "25.0 h")],
)
def test_durations(seconds, words):
    assert progress.duration(seconds) == words


# --- several runs ---------------------------------------------------------------------------------


def test_runs_trained_together_are_counted_and_their_steps_added_up(clock, tiny):
    log = io.StringIO()
    one, other = tiny("a+b"), tiny("a-b")
    with reporter(3, together=True, stream=log) as report:
        report.begin(one, 0)
        report.begin(other, 500)
        clock[0] += 31
        report.update(one, 100, ROW)
        report.update(other, 755, ROW)
        clock[0] += 31
        report.end(one, "grokked at step 50; 100 steps in 60 s")
        report.update(other, 817, ROW)
    lines = log.getvalue().splitlines()
    # 100 steps after 31 s; then 100 + 317 steps after 62 s.
    assert lines == [
        "3 runs: run 0/3, 2 running, 3 run-steps/s",
        f"{one.label}: grokked at step 50; 100 steps in 60 s",
        "3 runs: run 1/3, 1 running, 7 run-steps/s, 2 min left",
    ]


def test_runs_of_one_label_are_told_apart(tiny):
    same = tiny(), tiny(max_steps=25), tiny(max_steps=20)
    assert len({config.label for config in same}) == 1
    log = io.StringIO()
    with reporter(3, together=True, stream=log) as report:
        for config in same:
            report.begin(config, 0)
        for config in same:
            report.update(config, 10, ROW)
            report.end(config, "did not grok")
    assert log.getvalue().count("did not grok") == 3


def test_runs_trained_one_by_one_have_a_bar_each(clock, tiny):
    log = io.StringIO()
    with reporter(2, together=False, stream=log) as report:
        for config in (tiny("a+b"), tiny("a-b")):
            report.begin(config, 0)
            report.update(config, 10, ROW)
            report.end(config, "did not grok")
    assert log.getvalue().splitlines() == [f"{tiny(op).label}: did not grok" for op in ("a+b", "a-b")]


@pytest.mark.parametrize("together", [True, False])
def test_a_report_that_is_off_says_nothing(clock, together, tiny):
    log = io.StringIO()
    with reporter(1, together=together, stream=log, enabled=False) as report:
        report.begin(tiny(), 0)
        clock[0] += 60
        report.update(tiny(), 5, ROW)
        report.end(tiny(), "did not grok")
    assert log.getvalue() == ""
