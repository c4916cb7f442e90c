import io
import re
from contextlib import redirect_stderr

import pytest

from grokbook.training import progress
from grokbook.training.progress import Progress, accuracies, reporter

ROW = {"train_accuracy": 1.0, "test_accuracy": 0.123, "train_loss": 0.5}
STATUS = accuracies(ROW)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """A clock that the test winds forward."""
    now = [1000.0]
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    return now


def test_accuracies_are_told_in_percent():
    assert STATUS == "train 100.0%, test 12.3%"


def test_a_log_file_gets_plain_lines_at_intervals(clock):
    with redirect_stderr(io.StringIO()) as log, Progress("a+b", total=1000) as bar:
        for step in range(0, 500, 10):
            bar.show(step, STATUS)
            clock[0] += 1.0
        bar.finish("grokked at step 300; 490 steps in 50 s")
    assert "\r" not in log.getvalue()
    assert "\x1b" not in log.getvalue()
    # One line after 30 s: 300 steps at 10 steps/s, 700 more to go.
    assert log.getvalue().splitlines() == [
        "a+b: 300/1000 10.00step/s, 01:10 left, train 100.0%, test 12.3%",
        "a+b: grokked at step 300; 490 steps in 50 s",
    ]


def test_rate_and_time_left_of_a_resumed_run_count_from_where_it_resumed(clock):
    with redirect_stderr(io.StringIO()) as log, Progress("a+b", total=10_000, start=4000) as bar:
        clock[0] += 60
        bar.show(4120, STATUS)
    assert log.getvalue() == "a+b: 4120/10000  2.00step/s, 49:00 left, train 100.0%, test 12.3%\n"


def test_a_run_that_stands_still_divides_by_nothing(clock):
    with redirect_stderr(io.StringIO()) as log, Progress("a+b", total=10, start=3) as bar:
        clock[0] += 31
        bar.show(3, STATUS)
    assert "3/10 ?step/s, ? left" in log.getvalue(), "no time left is named"


def test_a_terminal_gets_a_bar_that_redraws_itself(clock):
    with redirect_stderr(Terminal()) as terminal, Progress("a+b", total=40) as bar:
        for step in (10, 40):
            clock[0] += 5
            bar.show(step, STATUS)
        bar.finish("did not grok; 40 steps in 1 s")
    text = terminal.getvalue()
    assert "\r" in text
    assert re.search(r"a\+b: 10/40 .*2\.00step/s, 00:15 left, train 100\.0%, test 12\.3%", text)
    assert re.search(r"a\+b: 40/40 .*4\.00step/s, 00:00 left, train 100\.0%, test 12\.3%", text)
    assert text.rstrip().splitlines()[-1] == "a+b: did not grok; 40 steps in 1 s"


def test_a_bar_starts_where_the_run_resumes():
    with redirect_stderr(Terminal()) as terminal, Progress("a+b", total=40, start=30):
        pass
    assert "a+b: 30/40" in terminal.getvalue()


def test_a_notebook_gets_a_bar():
    output = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    with redirect_stderr(output), Progress("a+b", total=40) as bar:
        bar.show(40, STATUS)
    assert "\r" in output.getvalue()


def test_an_interrupted_bar_is_closed():
    with redirect_stderr(Terminal()) as terminal, pytest.raises(KeyboardInterrupt), Progress("a+b", total=40) as bar:  # noqa: PT012
        bar.show(10, STATUS)
        raise KeyboardInterrupt
    assert terminal.getvalue().endswith("\n"), "what is printed next begins on a line of its own"


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_switched_off_it_says_nothing(stream, clock, tiny):
    with redirect_stderr(stream()) as output, Progress("a+b", total=40, enabled=False) as bar:
        clock[0] += 100
        bar.show(10, STATUS)
        bar.say("a run has ended")
        bar.finish("done")
    for together in (True, False):
        with redirect_stderr(output), reporter([tiny()], together=together, enabled=False) as report:
            report.begin(tiny(), 0)
            clock[0] += 60
            report.update(tiny(), 5, ROW)
            report.end(tiny(), "did not grok")
    assert output.getvalue() == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (89.0, "89 s"), (90.0, "2 min"), (3599.0, "60 min"), (3600.0, "1.0 h"), (9e4, "25.0 h")],
)
def test_durations(seconds, words):
    assert progress.duration(seconds) == words


# --- several runs ---------------------------------------------------------------------------------


def test_runs_trained_together_are_counted_and_their_steps_added_up(clock, tiny):
    one, other, third = (tiny(seed=seed, max_steps=1000) for seed in range(3))
    with redirect_stderr(io.StringIO()) as log, reporter([one, other, third], together=True) as report:
        report.begin(one, 0)
        report.begin(other, 500)
        clock[0] += 30
        report.update(one, 300, ROW)
        clock[0] += 30
        report.update(other, 800, ROW)
        report.end(one, "300 steps in 60 s", "grokked at step 250")
        report.begin(third, 0)
        clock[0] += 60
        report.update(third, 600, ROW)
    assert log.getvalue().splitlines() == [
        "3 runs: 300/2500 10.00run-step/s, 03:40 left, 0 done, 2 running",
        "3 runs: 600/2500 10.00run-step/s, 03:10 left, 0 done, 2 running",
        f"{one.label}: grokked at step 250; 300 steps in 60 s",
        "3 runs: 1200/1800 10.00run-step/s, 01:00 left, 1 done, 2 running",
    ]


def test_what_ended_stands_above_the_bar_of_those_that_run(clock, tiny):
    one, other = tiny("a+b"), tiny("a-b")
    with redirect_stderr(Terminal()) as terminal, reporter([one, other], together=True) as report:
        for config in (one, other):
            report.begin(config, 0)
        clock[0] += 5
        report.update(one, 30, ROW)
        report.end(one, "did not grok")
        report.update(other, 10, ROW)
    lines = [line.rpartition("\r")[2].strip() for line in terminal.getvalue().strip().split("\n")]
    assert lines[0] == f"{one.label}: did not grok"
    assert lines[-1].startswith("2 runs: 40/60 ")
    assert lines[-1].endswith("1 done, 1 running")


def test_runs_of_one_label_are_told_apart(tiny):
    same = tiny(), tiny(max_steps=25), tiny(max_steps=20)
    assert len({config.label for config in same}) == 1
    with redirect_stderr(io.StringIO()) as log, reporter(same, together=True) as report:
        for config in same:
            report.begin(config, 0)
        for config in same:
            report.update(config, 10, ROW)
            report.end(config, "did not grok")
    assert log.getvalue().count("did not grok") == 3


@pytest.mark.parametrize(("total", "said"), [(2, "did not grok; 10 steps"), (1, "10 steps")])
def test_runs_trained_one_by_one_have_a_bar_each(clock, tiny, total, said):
    configs = [tiny("a+b"), tiny("a-b")][:total]
    with redirect_stderr(io.StringIO()) as log, reporter(configs, together=False) as report:
        for config in configs:
            report.begin(config, 0)
            report.update(config, 10, ROW)
            report.end(config, "10 steps", "did not grok")
    assert log.getvalue().splitlines() == [f"{config.label}: {said}" for config in configs]
