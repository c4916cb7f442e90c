import math
from dataclasses import replace

import pytest
from endings import ending, with_history

from grokbook.analysis import transfers
from grokbook.analysis.transfers import Fate
from grokbook.data.operations import Operation


@pytest.mark.parametrize(
    ("scratch", "heir", "limit", "number"),
    [
        ((4000, None), (2000, None), {"at_least": 1.5}, 2.0),
        ((1000, None), (2000, None), {"at_least": 1.5}, 0.5),
        ((None, 4000), (2000, None), {"at_least": 1.5}, 2.0),  # at least twice as fast
        ((None, 4000), (3500, None), {"at_least": 1.5}, math.nan),  # at least 1.14 times: it may be more
        ((None, 4000), (3500, None), {"at_most": 1.5}, math.nan),
        ((None, 4000), (2000, None), {"at_most": 1.5}, 2.0),
        ((4500, None), (None, 2000), {"at_least": 1.5}, math.nan),  # at most 2.25 times: it may be less
        ((2000, None), (None, 2000), {"at_least": 1.5}, 1.0),
        ((2000, None), (None, 2000), {"at_most": 1.5}, 1.0),
        ((4500, None), (None, 2000), {"at_most": 1.5}, math.nan),
        ((None, 4000), (None, 2000), {"at_most": 1.5}, math.nan),
    ],
)
def test_bounds_of_a_speed_up_count_where_they_decide(tiny_run, scratch, heir, limit, number):
    source, failed = ending(tiny_run, 10, 0), ending(tiny_run, None, 100)
    runs = [ending(tiny_run, *scratch), ending(tiny_run, *heir)]
    assert transfers.decided_speed_up(*runs, source, **limit) == pytest.approx(number, nan_ok=True)
    assert math.isnan(transfers.decided_speed_up(*runs, failed, **limit)), "no pre-grokked module"


@pytest.mark.parametrize(
    ("scratch", "heir", "best", "helps"),
    [
        ((3000, None), (1000, None), 1.0, 1),  # three times as fast
        ((1000, None), (3000, None), 1.0, 0),
        ((None, 4000), (1000, None), 1.0, 1),  # four times as fast, or more
        ((2000, None), (None, 2000), 0.5, 0),  # as fast, or less
        ((None, 4000), (None, 2000), 0.5, 0),  # neither learns
        ((None, 4000), (None, 2000), 0.95, math.nan),  # may grok yet
        ((4500, None), (None, 2000), 0.5, math.nan),  # twice as fast, or less
    ],
)
def test_a_module_helps_or_not_or_may(tiny_run, scratch, heir, best, helps):
    runs = [ending(tiny_run, *scratch), ending(tiny_run, *heir, best=best)]
    found = transfers.helped(*runs, ending(tiny_run, 10, 0), at_least=1.5)
    assert found == pytest.approx(helps, nan_ok=True)
    assert math.isnan(transfers.helped(*runs, ending(tiny_run, None, 100), at_least=1.5)), "no pre-grokked module"


def test_a_speed_up_is_decided_on_one_limit(tiny_run):
    runs = [ending(tiny_run, 10, 0)] * 3
    for limits in ({}, {"at_least": 1.5, "at_most": 1.5}):
        with pytest.raises(ValueError, match="one limit"):
            transfers.decided_speed_up(*runs, **limits)


def test_a_speed_up_says_what_it_bounds(tiny_run):
    early, late, never = ending(tiny_run, 100, 0), ending(tiny_run, 300, 0), ending(tiny_run, None, 600)
    assert transfers.speed_up(late, early) == (3.0, False, False)
    assert transfers.speed_up(never, late) == (2.0, True, False)
    assert transfers.speed_up(late, never) == (0.5, False, True)
    assert math.isnan(transfers.speed_up(never, never).times)


def test_a_run_that_ends_high_may_have_grokked_since_it_got_there(tiny_run):
    def evaluated(*accuracies):
        steps = range(0, 1000 * len(accuracies), 1000)
        return with_history(tiny_run, step=steps, train_accuracy=[1.0] * len(accuracies), test_accuracy=accuracies)

    long = replace(tiny_run.config, sustain=2500)
    high, low, dipped = (
        replace(run, config=long)
        for run in (evaluated(0, 0.5, 0.995, 0.999), evaluated(0, 0.5, 0.5, 0.9), evaluated(0, 0.995, 0.5, 0.995))
    )
    assert [transfers.told(run) for run in (high, low, dipped)] == [2000, 3000, 3000]
    at_2500 = ending(tiny_run, 2500, 0)
    assert transfers.fate(at_2500, high) is Fate.UNKNOWN
    assert transfers.fate(at_2500, low) is Fate.LATER
    assert transfers.fate(high, at_2500) is Fate.UNKNOWN
    assert transfers.fate(low, at_2500) is Fate.SOONER
    assert transfers.speed_up(high, ending(tiny_run, 1000, 0)) == (2.0, True, False)


@pytest.mark.parametrize(
    ("scratch", "heir", "fate"),
    [
        ((300, 0), (100, 0), Fate.SOONER),
        ((None, 200), (100, 0), Fate.SOONER),
        ((None, 100), (100, 0), Fate.UNKNOWN),  # the one from scratch was stopped by then
        ((100, 0), (100, 0), Fate.LATER),
        ((100, 0), (None, 100), Fate.LATER),
        ((100, 0), (None, 99), Fate.UNKNOWN),
        ((None, 100), (None, 9), Fate.NEITHER),
    ],
)
def test_what_becomes_of_a_run_beside_the_one_from_scratch(tiny_run, scratch, heir, fate):
    assert transfers.fate(ending(tiny_run, *scratch), ending(tiny_run, *heir)) is fate
    assert transfers.fate(None, ending(tiny_run, *heir)) is Fate.UNKNOWN


def test_twice_the_accuracy_is_a_gain_where_neither_groks(tiny_run):
    low, high = ending(tiny_run, None, 100, best=0.25), ending(tiny_run, None, 100, best=0.5)
    assert transfers.gains(low, high)
    assert not transfers.gains(high, low)
    assert not transfers.gains(None, high)
    assert not transfers.gains(ending(tiny_run, 50, 0), high), "the other one groks"


def test_the_run_from_scratch_has_the_operation_and_the_seed(tiny_run, tiny_transfer):
    target = replace(tiny_run, config=replace(tiny_run.config, operations=tiny_transfer.config.operations))
    other = replace(target, config=replace(target.config, seed=9))
    assert transfers.from_scratch(tiny_transfer, [tiny_run, other, target]) is target
    assert transfers.from_scratch(tiny_transfer, [tiny_run, other]) is None
    fraction = replace(target, config=replace(target.config, fraction=0.77))
    assert transfers.from_scratch(tiny_transfer, [tiny_transfer, fraction]) is None


@pytest.mark.parametrize(
    ("source", "target", "shared"),
    [
        ("a+b", "a-b", True),
        ("a*b", "ab+1", True),
        ("a+b", "(a-b)^2", True),
        ("a+b", "ab", False),
        ("ab", "ab+b", False),
    ],
)
def test_embeddings_share_a_coordinate_or_not(source, target, shared):
    assert transfers.share_coordinate(Operation.parse(source), Operation.parse(target)) is shared
