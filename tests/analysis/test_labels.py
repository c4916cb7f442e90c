"""Label counts over splits against plain Python and the definition of one split; the rank test against enumeration."""

import math
from collections import Counter
from dataclasses import replace
from itertools import combinations

import label_reference
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from grokbook import data
from grokbook.analysis import labels
from grokbook.data.catalogue import CATALOGUE
from grokbook.data.operations import Operation

EVERY_OPERATION = [operation for group in CATALOGUE.values() for operation in group]


def survey(*texts: str, p: int = 13, fraction: float = 0.3, seeds=range(3)) -> tuple[labels.Labels, ...]:
    return labels.survey([Operation.parse(text) for text in texts], p, fraction, seeds)


def slow(operation: Operation, p: int, fraction: float, seed: int) -> tuple[float, float, float]:
    """KL, train and test entropy, by dictionaries and one pair after the other."""
    train = data.split(p * p, fraction, seed).tolist()
    every = [operation(a, b, p) for a in range(p) for b in range(p)]
    inside = Counter(label for label, drawn in zip(every, train, strict=True) if drawn)
    outside = Counter(label for label, drawn in zip(every, train, strict=True) if not drawn)

    def entropy(counts):
        return sum(-n / counts.total() * math.log(n / counts.total()) for n in counts.values())

    reached = set(every)
    n, m = inside.total() + len(reached) / 2, outside.total() + len(reached) / 2
    shares = [((inside[label] + 0.5) / n, (outside[label] + 0.5) / m) for label in reached]
    return sum(q * math.log(q / r) for q, r in shares), entropy(inside), entropy(outside)


# --- statistics -----------------------------------------------------------------------------------


@given(st.sampled_from(EVERY_OPERATION), st.sampled_from([0.1, 0.3, 0.9]), st.integers(0, 10**6))
def test_every_seed_has_the_statistics_that_plain_python_finds(operation, fraction, seed):
    (found,) = labels.survey([operation], 11, fraction, [seed, seed + 1])
    for k in (0, 1):
        expected = slow(operation, 11, fraction, seed + k)
        assert (found.kl[k], found.train_entropy[k], found.test_entropy[k]) == pytest.approx(expected, abs=1e-12)


def test_statistics_are_those_of_single_splits_at_the_paper_s_size():
    for found in survey("ab", "(a+b)^6", "a^6+b^6", p=97, seeds=[5, 0]):
        for k, seed in enumerate([5, 0]):
            dataset = data.make([found.operation], 97, 0.3, seed)
            one = label_reference.label_statistics(dataset.labels[0], dataset.train, 97)
            assert (found.kl[k], found.train_entropy[k], found.test_entropy[k]) == pytest.approx(tuple(one))
            assert found.n_train == int(dataset.train.sum())


def test_counts_are_those_of_the_table():
    added, multiplied, squared = survey("a+b", "ab", "(a+b)^2")
    assert added.histogram == (13,) * 13
    assert added.entropy == pytest.approx(math.log(13))
    assert multiplied.counts.tolist() == [25] + [12] * 12, "0 has both axes, every other product 12 pairs"
    assert multiplied.histogram == (*[12] * 12, 25)
    assert squared.histogram == (13, *[26] * 6)
    assert squared.n_labels == 7
    assert squared.entropy == pytest.approx(-(1 / 13 * math.log(1 / 13) + 6 * 2 / 13 * math.log(2 / 13)))


def test_no_split_of_an_odd_table_is_even():
    """With a fraction of 1/4 of p = 3's nine pairs, two are drawn."""
    (found,) = survey("a+b", p=3, fraction=0.25, seeds=range(50))
    assert (found.kl > 0).all()


def test_a_label_out_of_reach_of_train_or_test_leaves_everything_finite():
    for found in survey("a^6+b^6", "ab", p=7, fraction=0.05, seeds=range(20)):
        assert np.isfinite([found.kl, found.train_entropy, found.test_entropy]).all()
        assert (found.kl > 0).all()


def test_a_relabelled_operation_has_the_same_statistics_split_by_split():
    """5 has no factor with 12 in common: c → c⁵ only renames the labels mod 13."""
    added, power = survey("a+b", "(a+b)^5", seeds=range(4))
    assert added.kl == pytest.approx(power.kl)
    assert added.train_entropy == pytest.approx(power.train_entropy)


def test_refuses_what_makes_no_survey():
    with pytest.raises(ValueError, match="seed"):
        survey("a+b", seeds=[])
    with pytest.raises(ValueError, match="prime"):
        survey("a+b", p=12)
    with pytest.raises(ValueError, match="seed"):
        survey("a+b", seeds=[0, -1])


# --- what to expect, and twins --------------------------------------------------------------------


def test_expected_kl_of_two_labels():
    """Half of four pairs of a two-label table: ½ · 16 / (2 · 2 · 3)."""
    assert labels.expected_kl(2, 4, 2) == pytest.approx(2 / 3)
    assert labels.expected_kl(1, 4, 2) == 0, "one label: nothing can differ"


@pytest.mark.parametrize("fraction", [0.3, 0.7])
@pytest.mark.parametrize("operation", ["a+b", "ab", "(a+b)^4"])
def test_the_number_of_labels_predicts_kl(operation, fraction):
    (found,) = survey(operation, p=53, fraction=fraction, seeds=range(200))
    error = found.kl.std() / math.sqrt(200)
    assert found.kl.mean() == pytest.approx(found.expected_kl, abs=4 * error + 0.04 * found.expected_kl)


def test_twins_share_their_counts_whatever_the_labels_are_called():
    groups = labels.by_histogram(survey("ab", "a+b", "ab+b", "2a-b", "(a+b)^2"))
    assert [[str(found.operation) for found in group] for group in groups] == [
        ["ab", "ab+b"],
        ["a+b", "2a-b"],
        ["(a+b)^2"],
    ]


def test_a_form_that_splits_mod_p_is_a_twin_of_multiplication():
    """-3 is a square mod 97, so a²+ab+b² = (a-35b)(a-61b) there; mod 59 it is not, and 0 has one pair."""
    product, form = survey("ab", "a^2+ab+b^2", p=97, seeds=[0])
    assert product.histogram == form.histogram
    a, b = np.meshgrid(np.arange(97), np.arange(97))
    assert ((a - 35 * b) * (a - 61 * b) % 97 == form.operation(a, b, 97)).all()
    (inert,) = survey("a^2+ab+b^2", p=59, seeds=[0])
    assert inert.counts[0] == 1


def test_twins_of_what_groks_are_told_from_what_stands_alone():
    parse = Operation.parse
    surveyed = survey("a+b", "2a+b", "ab", "(a+b)^2")
    outcomes = {parse("a+b"): True, parse("2a+b"): False, parse("ab"): True, parse("(a+b)^2"): False}
    assert labels.twins(surveyed, outcomes) == ([parse("2a+b")], [parse("(a+b)^2")])
    assert labels.twins(surveyed, {parse("2a+b"): False}) == ([], [parse("2a+b")])
    assert labels.parted(surveyed, outcomes, lambda each: float(each.n_labels)) == ([13, 13], [13, 7])


def test_outcomes_of_runs_leave_out_seeds_that_disagree_and_mixtures(tiny, wave_run, tiny_run, tiny_mixture):
    failed = replace(tiny_run, config=tiny("a-b"))
    other = replace(tiny_run, config=tiny("a+b", p=11, seed=1))
    grokked = replace(wave_run, config=tiny("a+b", p=11))
    assert labels.outcomes_of([grokked, failed, tiny_mixture]) == {
        Operation.parse("a+b"): True,
        Operation.parse("a-b"): False,
    }
    assert labels.outcomes_of([grokked, other]) == {}


def test_outcomes_of_runs_leave_out_what_cannot_tell(tiny, grokked_run, tiny_run):
    rising = replace(tiny_run, history=tiny_run.history.assign(test_accuracy=0.95))
    assert rising.grok_step is None
    assert labels.outcomes_of([rising]) == {}
    other_seed = replace(grokked_run, config=replace(grokked_run.config, operations=rising.config.operations))
    assert labels.outcomes_of([rising, other_seed]) == {Operation.parse("a+b"): True}


# --- rank test ------------------------------------------------------------------------------------


def enumerated(one: list[float], other: list[float]) -> tuple[float, float]:
    """AUC and p by going through every way to choose the first group."""

    def wins(first, second):
        return sum((x > y) + (x == y) / 2 for x in first for y in second) / (len(first) * len(second))

    values = [*one, *other]
    everything = set(range(len(values)))
    aucs = [
        wins([values[i] for i in chosen], [values[i] for i in everything - set(chosen)])
        for chosen in combinations(range(len(values)), len(one))
    ]
    found = wins(one, other)
    return found, sum(abs(auc - 0.5) >= abs(found - 0.5) - 1e-9 for auc in aucs) / len(aucs)


VALUES = st.lists(st.integers(0, 4).map(float), min_size=1, max_size=5)


@given(VALUES, VALUES)
def test_auc_and_p_are_those_of_every_way_to_deal(one, other):
    assert labels.separation(one, other) == pytest.approx(enumerated(one, other))


@given(st.permutations([float(k) for k in range(30)]), st.integers(1, 29))
def test_without_ties_the_rank_test_is_scipy_s_exact_one(values, n):
    expected = stats.mannwhitneyu(values[:n], values[n:], method="exact")
    assert labels.separation(values[:n], values[n:]).p_value == pytest.approx(expected.pvalue)


def test_closed_forms_of_the_rank_test():
    assert labels.separation([3.0, 4.0, 5.0], [1.0, 2.0]) == pytest.approx((1, 2 / 10)), (
        "the extreme in either direction"
    )
    assert labels.separation([1.0, 2.0], [3.0, 4.0, 5.0]) == pytest.approx((0, 2 / 10))
    assert labels.separation([1.0] * 22, [1.0] * 13) == pytest.approx((0.5, 1)), "all tied"
    assert labels.separation([1.0, 4.0], [2.0, 3.0]) == pytest.approx((0.5, 1))


def test_the_rank_test_agrees_with_the_normal_curve_where_that_holds():
    one, other = [float(2 * k) for k in range(40)], [float(2 * k + 13) for k in range(40)]
    found = labels.separation(one, other)
    z = (abs(found.auc - 0.5) * 1600 - 0.5) / math.sqrt(1600 * 81 / 12)
    assert found.p_value == pytest.approx(math.erfc(z / math.sqrt(2)), rel=0.05)


def test_the_rank_test_needs_two_groups_of_numbers():
    for one, other in (([], [1.0]), ([1.0], []), ([math.nan], [1.0]), ([math.inf], [1.0])):
        with pytest.raises(ValueError, match="finite"):
            labels.separation(one, other)


# --- the reference -------------------------------------------------------------------------------


def distribution(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_closed_forms() -> None:
    assert label_reference.entropy(distribution(1, 0, 0)) == 0
    assert label_reference.entropy(torch.full((97,), 1 / 97, dtype=torch.float64)) == pytest.approx(math.log(97))
    assert label_reference.entropy(distribution(0.5, 0.25, 0.25)) == pytest.approx(1.5 * math.log(2))
    half, skew = distribution(0.5, 0.5), distribution(0.25, 0.75)
    assert label_reference.kl_divergence(half, half) == 0
    assert label_reference.kl_divergence(half, skew) == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3))
    assert label_reference.kl_divergence(skew, half) == pytest.approx(0.25 * math.log(0.5) + 0.75 * math.log(1.5))
    assert label_reference.kl_divergence(distribution(1, 0), half) == pytest.approx(math.log(2))
    assert label_reference.kl_divergence(half, distribution(1, 0)) == math.inf


def test_distribution_counts() -> None:
    labels = torch.tensor([0, 2, 2, 4])
    assert label_reference.label_distribution(labels, 5).tolist() == [0.25, 0, 0.5, 0, 0.25]
    prior = distribution(0.5, 0.5, 0.5, 0.5, 0)
    assert label_reference.label_distribution(labels, 5, prior).tolist() == [0.25, 0.5 / 6, 2.5 / 6, 0.5 / 6, 1 / 6]
    with pytest.raises(ValueError, match="no labels"):
        label_reference.label_distribution(labels[:0], 5)


def test_statistics_of_one_split() -> None:
    """Train draws 0, 0, 1 and test 0, 1, 1: with half a count each, KL((5/8, 3/8) ‖ (3/8, 5/8))."""
    labels = torch.tensor([0, 0, 1, 0, 1, 1])
    train = torch.tensor([True, True, True, False, False, False])
    statistics = label_reference.label_statistics(labels, train, 2)
    assert statistics.kl == pytest.approx(0.25 * math.log(5 / 3))
    third = math.log(3) - 2 / 3 * math.log(2)
    assert statistics[1:] == (pytest.approx(third), pytest.approx(third))


def test_statistics_stay_finite_and_ignore_labels_out_of_reach() -> None:
    labels = torch.tensor([0, 0, 1, 0, 1, 1])
    train = torch.tensor([True, True, True, False, False, False])
    assert label_reference.label_statistics(labels, train, 97) == label_reference.label_statistics(labels, train, 2)
    only_train = label_reference.label_statistics(torch.tensor([0, 1, 1]), torch.tensor([True, False, False]), 3)
    assert only_train.kl == pytest.approx(0.75 * math.log(0.75 / (0.5 / 3)) + 0.25 * math.log(0.25 / (2.5 / 3)))
    assert (only_train.train_entropy, only_train.test_entropy) == (0, 0)


@given(st.sampled_from(EVERY_OPERATION), st.integers(0, 10**6), st.sampled_from([0.3, 0.9]))
def test_statistics_are_within_their_bounds(operation: Operation, seed: int, fraction: float) -> None:
    dataset = data.make([operation], 13, fraction, seed)
    statistics = label_reference.label_statistics(dataset.labels[0], dataset.train, 13)
    assert 0 <= statistics.kl < 3
    assert 0 < statistics.train_entropy <= math.log(13) + 1e-12
    assert 0 < statistics.test_entropy <= math.log(13) + 1e-12
