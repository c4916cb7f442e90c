from dataclasses import replace

import pytest
from drawn import lines_and_marks
from figure_runs import mixture

from grokbook import figures


def alone(run, tiny, operation, fraction, seed=0):
    """A run as if it were on one operation, at that fraction."""
    return replace(run, config=tiny(operation, p=11, fraction=fraction, seed=seed))


@pytest.fixture
def tasks(tiny, wave_run):
    """Two seeds of the mixture at r = 0.6, one of a+b alone; at r = 0.8 a-b alone; nothing at r = 0.7."""
    runs = [mixture(tiny), mixture(tiny, seed=1), alone(wave_run, tiny, "a+b", 0.6), alone(wave_run, tiny, "a-b", 0.8)]
    frozen = replace(wave_run, config=tiny("a+b", p=11, fraction=0.6, frozen=("W_E",)))
    return figures.mixture_tasks(["a+b", "a-b"], [0.6, 0.7, 0.8], [*runs, *runs, frozen])


def test_a_task_has_the_runs_of_its_operation_and_fraction_once(tasks):
    assert [(task.operation, task.fraction) for task in tasks] == [
        (operation, fraction) for fraction in (0.6, 0.7, 0.8) for operation in ("a+b", "a-b")
    ]
    assert [(len(task.together), len(task.alone)) for task in tasks] == [(2, 1), (2, 0), (0, 0), (0, 0), (0, 0), (0, 1)]
    assert {task.mixture for task in tasks} == {("a+b", "a-b")}
    plus, minus = (task.together[0] for task in tasks[:2])
    assert (plus.grok_step, minus.grok_step, minus.best_test_accuracy) == (10, None, pytest.approx(0.4))


def test_the_order_of_operations_does_not_make_another_mixture(tiny):
    """A mixture is trained in the order that its config names; asked for in another one, it is another run."""
    assert all(not task.together for task in figures.mixture_tasks(["a-b", "a+b"], [0.6], [mixture(tiny)]))


def test_runs_of_several_moduli_make_no_tasks(tiny, tiny_run):
    with pytest.raises(ValueError, match="one modulus"):
        figures.mixture_tasks(["a+b", "a-b"], [0.6], [mixture(tiny), tiny_run])


def test_accuracy_is_drawn_against_r_for_each_operation(tasks):
    figure = figures.mixture_accuracy(tasks)
    lines, marks = lines_and_marks(figure, 1)
    assert lines == {"in one run": ([0.6], [1]), "alone": ([0.6], [1])}
    assert sorted(marks) == [("alone", "circle", 0.6, 1), *[("in one run", "circle", 0.6, 1)] * 2]
    lines, marks = lines_and_marks(figure, 2)
    assert lines == {"in one run": ([0.6], [pytest.approx(0.4)]), "alone": ([0.8], [1])}
    not_grokked = ("in one run", "diamond-open", 0.6, pytest.approx(0.4))
    assert sorted(marks) == [("alone", "circle", 0.8, 1), not_grokked, not_grokked]
    assert [note.text for note in figure.layout.annotations] == ["a+b", "a−b"]
    caption = figure.layout.meta["caption"]
    assert "a+b in one run: grokked at r = 0.6" in caption
    assert "a−b in one run: not grokked at r = 0.6" in caption
    assert "Budgets: 30 steps." in caption


def test_outcomes_and_lines_are_told_apart_without_colour(tasks):
    shown = [trace for trace in figures.mixture_accuracy(tasks).data if trace.showlegend is not False]
    looks = {trace.name: (trace.line.dash, trace.marker.symbol) for trace in shown}
    assert list(looks) == ["alone", "in one run", "grokked", "not within its budget"]
    assert len(set(looks.values())) == 4


def test_what_is_not_stored_is_said_to_be_and_nothing_at_all_is_refused(tasks):
    only_plus = [task for task in tasks if task.operation == "a+b"]
    without = [task._replace(alone=[]) for task in only_plus]
    assert "a+b alone: not yet run" in figures.mixture_accuracy(without).layout.meta["caption"]
    with pytest.raises(ValueError, match="at least one run"):
        figures.mixture_accuracy([task._replace(alone=[], together=[]) for task in only_plus])


def test_the_table_has_a_row_for_each_task_with_runs(tasks):
    table = figures.mixture_table(tasks).set_index(["r", "operation"])
    assert list(table.index) == [("0.6", "a+b"), ("0.6", "a−b"), ("0.8", "a−b")]
    assert table.loc[("0.6", "a+b")].to_dict() == {
        "seeds": "0, 1",
        "best in one run": "100.0%, 100.0%",
        "at the end": "100.0%, 100.0%",
        "grok step": "10, 10",
        "best alone": "100.0%",
        "grok step alone": "10",
        "over alone": "1.00",
    }
    minus = table.loc[("0.6", "a−b")]
    assert (minus["best in one run"], minus["at the end"], minus["grok step"]) == (
        "40.0%, 40.0%",
        "20.0%, 20.0%",
        "–, –",
    )
    assert (minus["best alone"], minus["over alone"]) == ("not yet run", "–")
    assert table.loc[("0.8", "a−b"), "best in one run"] == "not yet run"


def test_tables_of_several_mixtures_say_which(tasks):
    other = [task._replace(mixture=("a+b", "a-b", "ab")) for task in tasks]
    assert set(figures.mixture_table([*tasks, *other])["with"]) == {"a−b", "a+b", "a−b, a·b", "a+b, a·b"}


def test_over_alone_compares_after_as_many_steps(tasks, wave_run):
    alone = wave_run.history.assign(test_accuracy=[0, 0.2, 0.4, 0.8, 1.0])
    short = replace(wave_run, history=wave_run.history.iloc[:3].assign(test_accuracy=[0, 0.1, 0.2]))
    task = tasks[0]._replace(together=[short], alone=[replace(wave_run, history=alone)])
    (row,) = figures.mixture_table([task]).to_dict("records")
    assert (row["best alone"], row["over alone"]) == ("100.0%", "0.50")


def of_seed(run, seed):
    return replace(run, config=replace(run.config, seed=seed))


def test_findings_count_the_runs_in_which_all_grok_and_order_the_operations(tasks, wave_run):
    assert figures.mixture_findings(tasks) == ["r = 0.6: all of them grok in none of 2 runs."]
    later = replace(wave_run, history=wave_run.history.assign(test_accuracy=[0, 0, 0, 1, 1]))
    both = [tasks[0]._replace(together=[later]), tasks[1]._replace(together=[wave_run])]
    assert figures.mixture_findings(both) == [
        "r = 0.6: all of them grok in 1 of 1 run; in the order in which they reach 50 %: a−b, a+b (seed 0); "
        "in the order of their grok steps: a−b, a+b (seed 0)."
    ]
    again = [task._replace(together=[*task.together, of_seed(task.together[0], 2)]) for task in both]
    (found,) = figures.mixture_findings(again)
    assert found.startswith("r = 0.6: all of them grok in 2 of 2 runs;")
    assert found.count("a−b, a+b (seeds 0, 2)") == 2
    early, late = wave_run.history.assign(test_accuracy=[0, 0.6, 0.6, 1, 1]), [0, 0, 1, 1, 1]
    crossing = [
        tasks[0]._replace(together=[replace(wave_run, history=early)]),
        tasks[1]._replace(together=[replace(wave_run, history=wave_run.history.assign(test_accuracy=late))]),
    ]
    (found,) = figures.mixture_findings(crossing)
    assert "reach 50 %: a+b, a−b (seed 0); in the order of their grok steps: a−b, a+b (seed 0)" in found
    assert figures.mixture_findings(tasks[2:]) == []
