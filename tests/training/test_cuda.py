"""What only a CUDA device can show; skipped without one."""

import math
import warnings

import pytest
import torch

from grokbook import data, model, train
from grokbook.model import backward, folded, kernels
from grokbook.model.weights import EMBEDDING
from grokbook.runs.initial import initial_weights
from grokbook.training.engine import WARM_UP, Stack

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
CUDA = torch.device("cuda")
STEPS = WARM_UP + 9


@pytest.fixture
def configs(tiny):
    return [tiny("a+b"), tiny("a*b", seed=1), tiny("a-b", seed=2, frozen=EMBEDDING), tiny("ab+b", seed=3)]


def stack_of(configs, device, double=True) -> Stack:
    starts = [initial_weights(config, {}) for config in configs]
    return Stack(configs, [start.map(torch.Tensor.double) if double else start for start in starts], device)


def assert_close(stack: Stack, expected: Stack, tolerance: float) -> None:
    for run in range(len(expected.configs)):
        for found, wanted in zip(stack.weights_of(run), expected.weights_of(run), strict=True):
            assert (found - wanted).abs().max() <= tolerance * (1 + wanted.abs().max())
    for found, wanted in zip(stack.evaluate(), expected.evaluate(), strict=True):
        torch.testing.assert_close(found.cpu(), wanted.cpu(), rtol=1e-6, atol=1e-6)


def test_a_stack_is_that_of_the_cpu(configs):
    stacks = [stack_of(configs, device) for device in (CUDA, torch.device("cpu"))]
    for stack in stacks:
        stack.advance(STEPS)
    assert stacks[0]._graph is not None, "updates are captured as a graph"
    assert_close(*stacks, 1e-8)


def test_the_captured_update_is_the_plain_one(configs, monkeypatch):
    captured = stack_of(configs, CUDA)
    captured.advance(STEPS)
    plain = stack_of(configs, CUDA)
    plain._to_warm_up = 0
    plain.advance(STEPS)
    assert plain._graph is None
    assert_close(captured, plain, 1e-12)


def test_updates_do_not_wait_for_the_host(configs):
    stack = stack_of(configs, CUDA, double=False)
    stack.advance(WARM_UP + 1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Synchronization debug mode is a prototype")
        torch.cuda.set_sync_debug_mode("error")
    try:
        stack.advance(20)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.skipif(not kernels.AVAILABLE, reason="Triton is not installed")
def test_sums_without_triton_are_the_same(configs, tiny, monkeypatch):
    wide = [tiny("a+b", "ab+b", p=11, n_heads=1, d_mlp=150, seed=seed) for seed in range(3)]  # two blocks of columns
    three = [tiny("a-b", p=11, n_heads=3, d_model=24, seed=seed) for seed in range(3)]  # no power of two
    for stacked, double in ((configs, True), (wide, True), (three, True), (configs, False)):
        tolerance = 1e-12 if double else 1e-5
        stack = stack_of(stacked, CUDA, double)
        stack.replace(1, stacked[2], initial_weights(stacked[2], {}))
        batch, labels = stack._batches[0], stack._batches[0].data.train_labels
        with_triton = backward.gradients(batch.weights, batch.data.plan, labels, 0.1)
        with monkeypatch.context() as patched:
            patched.setattr(kernels, "AVAILABLE", False)
            without = backward.gradients(batch.weights, batch.data.plan, labels, 0.1)
        for name, gradient in without.items():
            torch.testing.assert_close(
                with_triton[name], gradient, rtol=tolerance, atol=tolerance * float(gradient.abs().max())
            )


@pytest.mark.skipif(not kernels.AVAILABLE, reason="Triton is not installed")
def test_a_loss_that_is_not_a_number_stays_one(configs):
    stack = stack_of(configs, CUDA)
    batch = stack._batches[0]
    batch.weights.W_in[1, 0, 0] = math.nan  # reaches a neuron before its ReLU, and nothing else
    logits = folded.folded_logits(batch.weights, batch.data.plan)
    assert logits[1].isnan().any()
    assert not logits[[0, 2, 3]].isnan().any()


def test_runs_come_and_go_after_the_capture(configs, tiny):
    stacks = [stack_of(configs[:3], device) for device in (CUDA, torch.device("cpu"))]
    for stack in stacks:
        stack.advance(STEPS)
        for run, config in ((0, configs[3]), (2, tiny("a+b", seed=7))):  # the second trains what the first had frozen
            stack.replace(run, config, initial_weights(config, {}).map(torch.Tensor.double))
        stack.advance(STEPS)
        stack.keep([0, 2])
        stack.advance(STEPS)
    assert_close(*stacks, 1e-8)


def test_the_same_config_gives_the_same_history_bit_for_bit(configs):
    first, again = (train(configs, "cuda", progress=False) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        assert one.history.equals(other.history)
        assert all(torch.equal(*pair) for pair in zip(one.weights, other.weights, strict=True))


def test_a_state_goes_from_device_to_device(configs):
    there = stack_of(configs, CUDA)
    there.advance(STEPS)
    here = stack_of(configs, torch.device("cpu"))
    for run in range(len(configs)):
        here.load_state(run, there.state(run), there.steps[run])
    for stack in (there, here):
        stack.advance(5)
    assert_close(there, here, 1e-8)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="no second CUDA device")
def test_another_device_than_the_current_one(configs):
    stacks = [stack_of(configs, torch.device(device)) for device in ("cuda:1", "cpu")]
    for stack in stacks:
        stack.advance(STEPS)
    assert_close(*stacks, 1e-8)


def test_logits_are_those_of_the_textbook(tiny):
    config = tiny("a-b")
    stack = stack_of([config], CUDA)
    stack.advance(STEPS)
    tokens = data.make(config.parsed_operations, config.p, config.fraction, config.seed).tokens[0]
    expected = model.textbook_logits(stack.weights_of(0), tokens)[0]
    torch.testing.assert_close(stack.evaluate().logits[0, 0].cpu(), expected, rtol=1e-9, atol=1e-9)
