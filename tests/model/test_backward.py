import itertools

import pytest
import torch
from small_models import CASES, SIZES, assert_same, start, textbook_gradients, train_rows

from grokbook.model import backward
from grokbook.model.plan import Plan, Rows
from grokbook.model.weights import Weights, stack


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_gradients_equal_those_of_the_textbook_pass(case, tiny):
    """Of every run of a stack, by every matrix, in float64."""
    configs = [tiny(*operations, p=11, **changes) for operations, changes in case]
    models = [start(config) for config in configs]
    tokens, labels = (torch.stack(parts) for parts in zip(*map(train_rows, configs), strict=True))
    plan = Plan.of(Rows.of(tokens), SIZES["n_heads"], models[0].d_vocab)
    gradients = backward.gradients(stack(models), plan, labels, 0.37)
    assert tuple(gradients) == Weights._fields
    for run, single in enumerate(models):
        for name, expected in textbook_gradients(single, tokens[run], labels[run], 0.37)._asdict().items():
            assert_same(gradients[name][run], expected)


def test_any_choice_of_trained_matrices_gets_the_same_gradients(tiny):
    """All 255 of them: what is left out for frozen matrices is nothing that others need."""
    config = tiny("a-b", "ab+b", p=5)
    tokens, labels = train_rows(config)
    single = start(config)
    plan = Plan.of(Rows.of(tokens.unsqueeze(0)), SIZES["n_heads"], config.d_vocab)
    expected = textbook_gradients(single, tokens, labels, 1.0)
    for number in range(1, len(Weights._fields) + 1):
        for trained in itertools.combinations(Weights._fields, number):
            found = backward.gradients(stack([single]), plan, labels.unsqueeze(0), 1.0, trained)
            assert tuple(found) == trained
            for name, gradient in found.items():
                assert_same(gradient[0], getattr(expected, name))


def test_gradients_leave_the_weights_alone(tiny):
    config = tiny()
    tokens, labels = train_rows(config)
    weights = stack([start(config)])
    before = weights.map(torch.clone)
    plan = Plan.of(Rows.of(tokens.unsqueeze(0)), SIZES["n_heads"], config.d_vocab)
    backward.gradients(weights, plan, labels.unsqueeze(0), 1.0)
    assert all(torch.equal(*pair) for pair in zip(weights, before, strict=True))
