import math

import numpy as np
import pytest
import torch
from small_models import TEXTBOOK_CASES, textbook_loss

from grokbook import data, model
from grokbook.model.protocol import Matrices
from grokbook.model.weights import EMBEDDING, TRANSFORMER
from grokbook.runs.initial import initial_weights
from grokbook.runs.pairs import dataset
from grokbook.training import memory
from grokbook.training.engine import Stack
from grokbook.training.train import TextbookState, textbook_step

CPU = torch.device("cpu")


def start(config) -> Matrices:
    """The config's own initial weights, in float64: a stack keeps the precision of its start."""
    return initial_weights(config, {}).map(torch.Tensor.double)


def stack_of(*configs, shared: bool | None = None) -> Stack:
    return Stack(configs, [start(config) for config in configs], CPU, shared=shared)


@pytest.fixture(params=[False, True], ids=["run by run", "shared operations"])
def shared(request) -> bool:
    return request.param


def textbook(config, steps: int) -> Matrices:
    """The weights after so many textbook steps, in float64."""
    table = dataset(config)
    state = TextbookState.start(start(config))
    for _ in range(steps):
        state = textbook_step(config, table, state)
    return state.weights


def assert_close(found: Matrices, expected: Matrices, tolerance: float) -> None:
    for (name, value), reference in zip(found._asdict().items(), expected, strict=True):
        assert (value.detach() - reference).abs().max() <= tolerance * (1 + reference.abs().max()), name


@pytest.mark.parametrize(
    ("operations", "changes"),
    [
        *TEXTBOOK_CASES,
        (("a-b", "ab+b"), {"model": "separate"}),
        (("a+b",), {"activation": "quadratic", "frozen": ("W_U",)}),
        (("a*b",), {"model": "mlp", "d_model": 128, "n_heads": 4}),
        (("a+b",), {"model": "mlp", "activation": "quadratic", "d_model": 128, "n_heads": 4, "frozen": ("W_b",)}),
    ],
)
def test_training_is_the_textbook_s(tiny, operations, changes):
    config = tiny(*operations, **changes)
    stack = stack_of(config)
    stack.advance(3)
    assert stack.steps == [3]
    assert_close(stack.weights_of(0), textbook(config, 3), 1e-9)


def test_float32_follows_the_textbook_in_float64(tiny):
    config = tiny()
    single = Stack([config], [initial_weights(config, {})], CPU)
    single.advance(5)
    assert single.weights.W_E.dtype == torch.float32
    # Where a gradient nearly vanishes, Adam turns its rounding error into a step of up to lr.
    differences = [(a - b).detach().abs() for a, b in zip(single.weights_of(0), textbook(config, 5), strict=True)]
    assert all(d.max() < 5 * config.lr and d.median() < 1e-5 for d in differences)


def test_frozen_weights_keep_every_bit(tiny):
    config = tiny(frozen=("W_E", "W_in", "W_U"))
    before = initial_weights(config, {})
    stack = Stack([config], [before], CPU)
    stack.advance(10)
    for name, value in stack.weights_of(0)._asdict().items():
        assert torch.equal(value, getattr(before, name)) == (name in config.frozen), name


def test_a_stack_does_not_touch_the_weights_it_starts_from(tiny):
    config = tiny()
    before = initial_weights(config, {})
    kept = before.map(torch.clone)
    Stack([config], [before], CPU).advance(3)
    assert all(torch.equal(*pair) for pair in zip(before, kept, strict=True))


def test_a_stacked_run_equals_the_run_alone(tiny, shared):
    configs = [tiny("a+b", seed=0), tiny("a*b", seed=1), tiny("ab+b", seed=0)]
    together = stack_of(*configs, shared=shared)
    together.advance(20)
    evaluation = together.evaluate()
    for run, config in enumerate(configs):
        alone = stack_of(config)
        alone.advance(20)
        assert_close(together.weights_of(run), alone.weights_of(0), 1e-8)
        for stacked, single in zip(evaluation, alone.evaluate(), strict=True):
            torch.testing.assert_close(stacked[run], single[0], rtol=1e-7, atol=1e-7)


def test_on_a_cpu_a_stacked_run_has_every_bit_of_the_run_alone(tiny):
    """In float32, for the first 200 steps; evaluations too."""
    configs = [tiny("a+b", seed=0), tiny("a*b", seed=1), tiny("ab+b", seed=0, frozen=("W_U",))]
    starts = [initial_weights(config, {}) for config in configs]
    together, alone = Stack(configs, starts, CPU), [Stack([c], [s], CPU) for c, s in zip(configs, starts, strict=True)]
    for _ in range(4):
        for stack in (together, *alone):
            stack.advance(50)
        evaluation = together.evaluate()
        for run, single in enumerate(alone):
            assert all(torch.equal(*pair) for pair in zip(together.weights_of(run), single.weights_of(0), strict=True))
            for stacked, expected in zip(evaluation, single.evaluate(), strict=True):
                assert torch.equal(stacked[run], expected[0])


@pytest.mark.parametrize(
    ("operations", "changes"),
    [(("a+b",), {}), (("a-b", "ab+b", "a^2+b"), {"p": 5}), (("a+b",), {"operands": "vocab", "fraction": 0.3})],
)
def test_evaluate_is_what_the_logits_say(tiny, operations, changes):
    config = tiny(*operations, **changes)
    stack = stack_of(config)
    stack.advance(4)
    found = stack.evaluate()
    weights = stack.weights_of(0)
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


def test_losses_of_very_confident_logits_keep_their_digits(grokked_run):
    """A right answer ahead by m costs about e⁻ᵐ, which float32 rounds to 0 from m = 17 on."""
    config, weights = grokked_run.config, grokked_run.weights
    table = data.make(config.parsed_operations, config.p, config.fraction, config.seed, config.operands)

    def margins(logits: torch.Tensor) -> torch.Tensor:
        at = table.labels.unsqueeze(-1)
        return (logits.gather(-1, at) - logits.scatter(-1, at, -math.inf))[0]  # [pair, vocab], ∞ for the answer

    (logits,) = Stack([config], [weights], CPU).evaluate().logits
    sure = weights._replace(W_U=weights.W_U * (20 / margins(logits).min()))
    found = Stack([config], [sure], CPU).evaluate()
    assert found.logits.dtype == torch.float32
    ahead = margins(found.logits[0].double()).tolist()
    assert 19.9 < min(map(min, ahead)) < 20.1
    each = [math.log1p(math.fsum(math.exp(-m) for m in row)) for row in ahead]
    expected = [np.mean(np.array(each)[part.numpy()]) for part in (table.train, ~table.train)]
    assert max(expected) > 1e-12
    assert [float(found.train_loss), float(found.test_loss)] == pytest.approx(expected, rel=1e-3, abs=1e-15)


def test_the_mixture_loss_is_the_sum_over_operations(tiny):
    config = tiny("a-b", "ab+b", p=5)
    stack = stack_of(config)
    total = float(stack.evaluate().train_loss.sum())
    assert total == pytest.approx(float(textbook_loss(start(config), config)), rel=1e-12)


def test_evaluation_changes_nothing(tiny):
    quiet, watched = stack_of(tiny()), stack_of(tiny())
    for _ in range(5):
        quiet.advance(1)
        watched.evaluate()
        watched.advance(1)
    assert all(torch.equal(*pair) for pair in zip(quiet.weights, watched.weights, strict=True))


def test_advance_counts_steps_whatever_their_portions(tiny):
    at_once, in_parts = stack_of(tiny()), stack_of(tiny())
    at_once.advance(6)
    for portion in (1, 0, 3, 2):
        in_parts.advance(portion)
    assert at_once.steps == in_parts.steps == [6]
    assert all(torch.equal(*pair) for pair in zip(at_once.weights, in_parts.weights, strict=True))


@pytest.mark.parametrize("changes", [{}, {"frozen": ("W_E",)}])
def test_a_state_continues_bit_for_bit(tiny, changes):
    config = tiny("a*b", **changes)
    through = Stack([config], [initial_weights(config, {})], CPU)
    through.advance(5)
    state = through.state(0)
    through.advance(7)
    other = tiny("a*b", seed=9)
    resumed = Stack([other], [initial_weights(other, {})], CPU)
    resumed.advance(2)  # whatever it was before
    resumed.replace(0, config, initial_weights(config, {}))
    resumed.load_state(0, state, 5)
    resumed.advance(7)
    assert resumed.steps == [12]
    after, expected = resumed.state(0), through.state(0)
    assert after.keys() == expected.keys()
    assert all(torch.equal(after[name], expected[name]) for name in expected)


def test_a_state_with_other_frozen_weights_is_refused(tiny):
    config = tiny("a*b", frozen=("W_E",))
    stack = Stack([config], [initial_weights(config, {})], CPU)
    stack.advance(2)
    state = stack.state(0)
    state["weights"] = state["weights"].clone()
    state["weights"][0] += 0.01  # of W_E, which comes first
    with pytest.raises(RuntimeError, match="frozen weights"):
        stack.load_state(0, state, 2)


# --- stacks whose runs come and go ----------------------------------------------------------------


def mixed(tiny, tiny_run):
    """Runs that differ in all that a stack allows: operation, seed, what is frozen, where it comes from."""
    heir = tiny("a-b", seed=4, source=tiny_run.config, transplant=TRANSFORMER)
    return [tiny("a+b", seed=0), tiny("a*b", seed=1, frozen=EMBEDDING), heir, tiny("ab+b", seed=3, frozen=("W_U",))]


def assert_as_if_alone(stack, run, config, start, steps, tolerance=1e-8):
    alone = Stack([config], [start], CPU)
    alone.advance(steps)
    assert_close(stack.weights_of(run), alone.weights_of(0), tolerance)
    for stacked, single in zip(stack.evaluate([run]), alone.evaluate(), strict=True):
        torch.testing.assert_close(stacked, single, rtol=1e-7, atol=1e-7)


def test_frozen_weights_may_differ_within_a_stack(tiny, tiny_run, shared):
    configs = mixed(tiny, tiny_run)
    starts = [initial_weights(c, {tiny_run.config: tiny_run}).map(torch.Tensor.double) for c in configs]
    stack = Stack(configs, starts, CPU, shared=shared)
    stack.advance(9)
    for run, (config, start) in enumerate(zip(configs, starts, strict=True)):
        for name in config.frozen_weights:
            assert torch.equal(getattr(stack.weights, name)[run], getattr(start, name)), (config.label, name)
        assert_as_if_alone(stack, run, config, start, 9)


def test_a_run_that_enters_later_trains_as_if_alone(tiny, tiny_run, shared):
    configs = mixed(tiny, tiny_run)
    starts = [initial_weights(c, {tiny_run.config: tiny_run}).map(torch.Tensor.double) for c in configs]
    stack = Stack(configs[:2], starts[:2], CPU, shared=shared)
    stack.advance(5)
    stack.replace(0, configs[2], starts[2])
    stack.advance(4)
    stack.replace(1, configs[3], starts[3])
    stack.advance(6)
    assert stack.steps == [10, 6]
    for run, index in enumerate((2, 3)):
        assert_as_if_alone(stack, run, configs[index], starts[index], stack.steps[run])


def test_runs_that_stay_go_on_as_if_nothing_had_happened(tiny, tiny_run, shared):
    configs = mixed(tiny, tiny_run)
    starts = [initial_weights(c, {tiny_run.config: tiny_run}).map(torch.Tensor.double) for c in configs]
    stack = Stack(configs, starts, CPU, shared=shared)
    stack.advance(5)
    stack.keep([1, 3])
    assert stack.configs == [configs[1], configs[3]]
    stack.advance(4)
    assert stack.steps == [9, 9]
    for run, index in enumerate((1, 3)):
        assert_as_if_alone(stack, run, configs[index], starts[index], 9)


def test_some_runs_can_be_evaluated_by_themselves(tiny, monkeypatch, shared):
    monkeypatch.setattr(memory, "EVALUATED_TOGETHER", 2)
    stack = stack_of(*(tiny(seed=seed) for seed in range(5)), shared=shared)
    stack.advance(3)
    for found, everything in zip(stack.evaluate([3, 1]), stack.evaluate(), strict=True):
        torch.testing.assert_close(found, everything[[3, 1]], rtol=1e-12, atol=1e-12)


def test_what_a_stack_hands_out_is_its_own(tiny):
    stack = stack_of(tiny())
    weights, state = stack.weights_of(0), stack.state(0)
    kept = weights.map(torch.clone), {name: value.clone() for name, value in state.items()}
    stack.advance(2)
    assert all(torch.equal(*pair) for pair in zip(weights, kept[0], strict=True))
    assert all(torch.equal(state[name], kept[1][name]) for name in state)


@pytest.mark.parametrize("changes", [{"p": 5}, {"fraction": 0.5}, {"lr": 1e-3}, {"d_mlp": 16}, {"operands": "vocab"}])
def test_unequal_runs_are_not_stacked(tiny, changes):
    other = tiny(**changes)
    with pytest.raises(ValueError, match="must agree"):
        stack_of(tiny(), other)
    with pytest.raises(ValueError, match="must agree"):
        stack_of(tiny()).replace(0, other, start(other))


def test_a_training_set_that_misses_a_context_stacks_too(tiny, shared):
    """At this fraction some b never stand in a training pair, and not the same ones for each seed."""
    configs = [tiny(fraction=0.1, seed=seed) for seed in range(3)]
    stack = stack_of(*configs, shared=shared)
    stack.advance(4)
    for run, config in enumerate(configs):
        assert_as_if_alone(stack, run, config, start(config), 4)
