import sys

import numpy as np
import pytest
import torch

from grokbook import data, engine, model
from grokbook.engine import Stack
from grokbook.training import initial_weights
from grokbook.weights import Weights

CPU = torch.device("cpu")


def start(config) -> Weights:
    """The config's own initial weights, in float64: a stack keeps the precision of its start."""
    return initial_weights(config, {}).map(torch.Tensor.double)


def stack_of(*configs) -> Stack:
    return Stack(configs, [start(config) for config in configs], CPU)


def textbook_loss(weights: Weights, config) -> torch.Tensor:
    """Sum over operations of the mean cross-entropy over training pairs."""
    table = data.make(config.parsed_operations, config.p, config.fraction, config.seed, config.operands)
    losses = []
    for tokens, labels in zip(table.tokens, table.labels, strict=True):
        logits, _ = model.textbook_logits(weights, tokens[table.train])
        log_probs = logits - logits.logsumexp(-1, keepdim=True)
        losses.append(-log_probs[torch.arange(len(log_probs)), labels[table.train]].mean())
    return torch.stack(losses).sum()


def adamw_by_hand(config, steps: int) -> Weights:
    """Loshchilov and Hutter's algorithm 2 with a constant schedule, on the textbook's loss."""
    weights, (beta1, beta2), eps = start(config), config.betas, 1e-8
    first, second = weights.map(torch.zeros_like), weights.map(torch.zeros_like)
    for t in range(1, steps + 1):
        leaves = weights.map(lambda w: w.clone().requires_grad_())
        gradients = torch.autograd.grad(textbook_loss(leaves, config), list(leaves))
        first = Weights(*(beta1 * m + (1 - beta1) * g for m, g in zip(first, gradients, strict=True)))
        second = Weights(*(beta2 * v + (1 - beta2) * g * g for v, g in zip(second, gradients, strict=True)))
        updated = {}
        for name, w, m, v in zip(Weights._fields, weights, first, second, strict=True):
            step = (m / (1 - beta1**t)) / ((v / (1 - beta2**t)).sqrt() + eps)
            frozen = name in config.frozen_weights
            updated[name] = w if frozen else w - config.lr * (step + config.weight_decay * w)
        weights = Weights(**updated)
    return weights


def assert_close(found: Weights, expected: Weights, tolerance: float) -> None:
    for name, value, reference in zip(Weights._fields, found, expected, strict=True):
        assert (value.detach() - reference).abs().max() <= tolerance * (1 + reference.abs().max()), name


@pytest.mark.parametrize(
    ("operations", "changes"),
    [
        (("a+b",), {}),
        (("a-b", "ab+b"), {"p": 5, "weight_decay": 0.3, "betas": (0.8, 0.9)}),
        (("a*b",), {"operands": "vocab", "fraction": 0.3}),
        (("a+b",), {"frozen": ("W_E", "W_O")}),
    ],
)
def test_training_is_adamw_on_the_textbook_loss(tiny, operations, changes):
    config = tiny(*operations, **changes)
    stack = stack_of(config)
    stack.advance(3)
    assert stack.step == 3
    assert_close(stack.weights.unstack()[0], adamw_by_hand(config, 3), 1e-9)


def test_float32_follows_float64(tiny):
    config = tiny()
    single = Stack([config], [initial_weights(config, {})], CPU)
    single.advance(5)
    assert single.weights.W_E.dtype == torch.float32
    double = stack_of(config)
    double.advance(5)
    # Where a gradient nearly vanishes, Adam turns its rounding error into a step of up to lr.
    differences = [(a - b).detach().abs() for a, b in zip(single.weights, double.weights, strict=True)]
    assert all(d.max() < 5 * config.lr and d.median() < 1e-5 for d in differences)


def test_frozen_weights_keep_every_bit(tiny):
    config = tiny(frozen=("W_E", "W_in", "W_U"))
    before = initial_weights(config, {})
    stack = Stack([config], [before], CPU)
    stack.advance(10)
    for name, value in stack.weights.unstack()[0]._asdict().items():
        assert torch.equal(value, getattr(before, name)) == (name in config.frozen), name


def test_a_stack_does_not_touch_the_weights_it_starts_from(tiny):
    config = tiny()
    before = initial_weights(config, {})
    kept = before.map(torch.clone)
    Stack([config], [before], CPU).advance(3)
    assert all(torch.equal(*pair) for pair in zip(before, kept, strict=True))


def test_a_stacked_run_equals_the_run_alone(tiny):
    configs = [tiny("a+b", seed=0), tiny("a*b", seed=1), tiny("ab+b", seed=0)]
    together = stack_of(*configs)
    together.advance(20)
    evaluation = together.evaluate()
    for run, (config, found) in enumerate(zip(configs, together.weights.unstack(), strict=True)):
        alone = stack_of(config)
        alone.advance(20)
        assert_close(found, alone.weights.unstack()[0].map(torch.Tensor.detach), 1e-8)
        for stacked, single in zip(evaluation, alone.evaluate(), strict=True):
            torch.testing.assert_close(stacked[run], single[0], rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(
    ("operations", "changes"),
    [(("a+b",), {}), (("a-b", "ab+b", "a^2+b"), {"p": 5}), (("a+b",), {"operands": "vocab", "fraction": 0.3})],
)
def test_evaluate_is_what_the_logits_say(tiny, operations, changes):
    config = tiny(*operations, **changes)
    stack = stack_of(config)
    stack.advance(4)
    found = stack.evaluate()
    weights = stack.weights.unstack()[0]
    table = data.make(config.parsed_operations, config.p, config.fraction, config.seed, config.operands)
    n_pairs = (config.p + 5 if config.operands == "vocab" else config.p) ** 2
    assert found.logits.shape == (1, len(operations), n_pairs, config.d_vocab)
    for index, (tokens, labels) in enumerate(zip(table.tokens, table.labels, strict=True)):
        logits = model.logits(weights, tokens).numpy()
        np.testing.assert_allclose(found.logits[0, index], logits, rtol=1e-12, atol=1e-12)
        losses, hits = [], []
        for row, label in zip(logits, labels.tolist(), strict=True):
            losses.append(np.log(np.exp(row - row.max()).sum()) + row.max() - row[label])
            hits.append(float(np.argmax(row) == label))
        for part, mask in (("train", table.train.numpy()), ("test", ~table.train.numpy())):
            expected = np.mean(np.array(losses)[mask]), np.mean(np.array(hits)[mask])
            loss, accuracy = (getattr(found, f"{part}_{what}")[0, index] for what in ("loss", "accuracy"))
            assert (float(loss), float(accuracy)) == pytest.approx(expected, rel=1e-10)


def test_the_mixture_loss_is_the_sum_over_operations(tiny):
    config = tiny("a-b", "ab+b", p=5)
    stack = stack_of(config)
    total = float(stack.evaluate().train_loss.sum())
    assert total == pytest.approx(float(textbook_loss(start(config), config)), rel=1e-12)


def test_evaluation_changes_nothing(tiny):
    quiet, watched = stack_of(tiny()), stack_of(tiny())
    for step in range(1, 6):
        quiet.advance(step)
        watched.evaluate()
        watched.advance(step)
    assert all(torch.equal(*pair) for pair in zip(quiet.weights, watched.weights, strict=True))


def test_advance_goes_to_a_step_and_never_back(tiny):
    stack = stack_of(tiny())
    stack.advance(4)
    kept = stack.weights.map(lambda w: w.detach().clone())
    stack.advance(4)
    stack.advance(2)
    assert stack.step == 4
    assert all(torch.equal(*pair) for pair in zip(stack.weights, kept, strict=True))


@pytest.mark.parametrize("changes", [{}, {"frozen": ("W_E",)}])
def test_a_state_continues_bit_for_bit(tiny, changes):
    config = tiny("a*b", **changes)
    through = Stack([config], [initial_weights(config, {})], CPU)
    through.advance(5)
    state = {name: value.clone() for name, value in through.state().items()}
    through.advance(12)
    resumed = Stack([config], [initial_weights(tiny("a*b", seed=9), {})], CPU)
    resumed.advance(2)  # whatever it was before
    resumed.load_state(state, 5)
    resumed.advance(12)
    assert resumed.step == 12
    after, expected = resumed.state(), through.state()
    assert after.keys() == expected.keys()
    assert all(torch.equal(after[name], expected[name]) for name in expected)


def test_unequal_runs_are_not_stacked(tiny):
    with pytest.raises(RuntimeError, match="stack expects each tensor to be equal size"):
        stack_of(tiny(p=5), tiny(p=7))


def test_freed_memory_is_only_kept_on_linux(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(engine.ctypes, "CDLL", lambda *_: pytest.fail("called into a library"))
    engine.keep_freed_memory.__wrapped__()
