import math

from endings import with_history

from grokbook.analysis import histories


def test_relative_and_largest_change(tiny_run):
    run = with_history(tiny_run, step=[0, 1, 2], x=[2.0, 5.0, 1.0])
    assert histories.relative(run, "x") == 0.5
    assert histories.largest_change(run, "x") == 1.5


def test_how_far_two_numbers_are_from_going_half_of_their_ways_together(tiny_run):
    columns = {"step": [0, 10, 20, 30, 40], "test_accuracy": [0.0, 0.1, 0.6, 0.9, 1.0]}
    early = with_history(tiny_run, **columns, x=[1.0, 0.4, 0.2, 0.1, 0.1])
    late = with_history(tiny_run, **columns, x=[1.0, 0.9, 0.8, 0.8, 0.1])
    assert (histories.apart(early, "x"), histories.apart(late, "x")) == (2.0, 2.0)
    assert histories.apart(early, "test_accuracy") == 1.0
    assert math.isnan(histories.apart(with_history(tiny_run, **columns, x=[1.0] * 5), "x"))
