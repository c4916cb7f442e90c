import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grokbook import data, folded, model
from grokbook.weights import Weights, initialise, stack

SIZES = {"d_model": 16, "n_heads": 2, "d_mlp": 32}


def start(config, scale: float = 1.5) -> Weights:
    """Float64 weights, larger than the initial ones so that neither attention nor ReLU is near linear."""
    fresh = initialise(config.d_vocab, rng=np.random.default_rng(100 + config.seed), **SIZES)
    return fresh.map(lambda w: scale * w.double())


def train_rows(config) -> tuple[torch.Tensor, torch.Tensor]:
    table = data.make(config.parsed_operations, config.p, config.fraction, config.seed, config.operands)
    return table.tokens[:, table.train].flatten(0, 1), table.labels[:, table.train].flatten()


def textbook_gradients(weights: Weights, tokens, labels, scale: float) -> Weights:
    leaves = weights.map(lambda w: w.clone().requires_grad_())
    logits, _ = model.textbook_logits(leaves, tokens)
    (scale * torch.nn.functional.cross_entropy(logits, labels, reduction="sum")).backward()
    return leaves.map(lambda w: w.grad)


def assert_same(found: torch.Tensor, expected: torch.Tensor) -> None:
    """Equal to 1e-10 of the largest entry."""
    assert found.shape == expected.shape
    assert expected.abs().max() > 0
    assert (found - expected).abs().max() <= 1e-10 * expected.abs().max()


CASES = {
    "addition": [(("a+b",), {})],
    "polynomial": [(("a^2+ab+b^2",), {})],
    "mixture": [(("a-b", "ab+b", "a^2+b"), {})],
    "released code's operands": [(("a*b",), {"operands": "vocab", "fraction": 0.3})],
    "few rows": [(("a+b",), {"fraction": 0.05})],
    "stack of seeds": [(("a+b",), {"seed": seed}) for seed in range(3)],
    "stack of operations": [((op,), {"seed": i}) for i, op in enumerate(("a+b", "a-b", "a*b", "ab+b"))],
    "stack of mixtures": [((*ops, "ab+b"), {"seed": i}) for i, ops in enumerate((("a+b",), ("a-b",)))],
}


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def configs(request, tiny):
    return [tiny(*operations, p=11, **changes) for operations, changes in request.param]


def test_folded_equals_textbook(configs):
    """Logits and gradients of every run of a stack, in float64."""
    models = [start(config) for config in configs]
    rows = [train_rows(config) for config in configs]
    tokens, labels = (torch.stack(parts) for parts in zip(*rows, strict=True))
    plan = folded.Plan.of(folded.Rows.of(tokens), SIZES["n_heads"], models[0].d_vocab)
    scale = 0.37
    weights = stack(models).map(lambda w: w.requires_grad_())

    logits = folded.folded_logits(weights, plan)
    gradients = folded.gradients(weights, plan, labels, scale)

    for run, (single, (run_tokens, run_labels)) in enumerate(zip(models, rows, strict=True)):
        assert_same(logits[run], model.textbook_logits(single, run_tokens)[0])
        expected = textbook_gradients(single, run_tokens, run_labels, scale)
        for name, gradient in expected._asdict().items():
            assert_same(gradients[name][run], gradient)


def test_frozen_weights_get_no_gradient_and_change_no_other(tiny):
    config = tiny("a-b", p=11)
    tokens, labels = train_rows(config)
    single = start(config)
    plan = folded.Plan.of(folded.Rows.of(tokens.unsqueeze(0)), SIZES["n_heads"], config.d_vocab)
    expected = textbook_gradients(single, tokens, labels, 1.0)
    for trained in (("W_E", "W_U"), ("W_Q",), tuple(Weights._fields[1:]), ("W_out",)):
        weights = stack([single])
        for name in trained:
            getattr(weights, name).requires_grad_()
        found = folded.gradients(weights, plan, labels.unsqueeze(0), 1.0)
        assert set(found) == set(trained)
        for name, gradient in found.items():
            assert_same(gradient[0], getattr(expected, name))


@given(
    st.lists(st.tuples(*[st.integers(0, 11)] * 3), min_size=1, max_size=30),
    st.integers(0, 5),
)
def test_any_rows_in_any_order(rows, seed):
    tokens = torch.tensor(rows)
    weights = initialise(12, rng=np.random.default_rng(seed), **SIZES).map(lambda w: 2 * w.double())
    assert_same(model.logits(weights, tokens), model.textbook_logits(weights, tokens)[0])


def test_extreme_attention_stays_finite(tiny):
    """Scores of thousands: a softmax that is computed as exp / sum would be NaN."""
    config = tiny()
    tokens, _ = train_rows(config)
    weights = start(config, scale=10.0)
    scores = torch.einsum("vd,hdk,hek,ue->hvu", weights.W_E, weights.W_Q, weights.W_K, weights.W_E)
    assert scores.abs().max() > 2000
    assert_same(model.logits(weights, tokens), model.textbook_logits(weights, tokens)[0])


def test_rows_are_split_into_first_tokens_and_contexts():
    tokens = torch.tensor([[(4, 8, 1), (0, 7, 2), (4, 8, 1), (2, 7, 2)], [(1, 7, 0), (1, 9, 3), (5, 7, 0), (0, 7, 0)]])
    rows = folded.Rows.of(tokens)
    assert rows.contexts.op.shape == (2, 2)
    back = torch.stack([rows.a, rows.contexts.op.gather(1, rows.ctx), rows.contexts.b.gather(1, rows.ctx)], dim=-1)
    assert torch.equal(back, tokens)


def test_a_run_with_fewer_contexts_repeats_one(tiny):
    tokens = torch.tensor([[(0, 7, 1), (0, 7, 2), (3, 8, 2)], [(0, 7, 1), (1, 7, 1), (5, 7, 1)]])
    rows = folded.Rows.of(tokens)
    assert rows.contexts.op.tolist() == [[7, 7, 8], [7, 7, 7]]
    assert rows.contexts.b.tolist() == [[1, 2, 2], [1, 1, 1]]
    models = [start(tiny(seed=seed)) for seed in range(2)]
    logits = folded.folded_logits(stack(models), folded.Plan.of(rows, SIZES["n_heads"], models[0].d_vocab))
    for found, single, run_tokens in zip(logits, models, tokens, strict=True):
        assert_same(found, model.textbook_logits(single, run_tokens)[0])


def test_a_plan_can_be_put_into_a_stack_of_them(tiny):
    configs = [tiny(seed=seed, p=11) for seed in range(4)]
    rows = torch.stack([train_rows(config)[0] for config in configs])
    plan_of = lambda tokens: folded.Plan.of(folded.Rows.of(tokens), SIZES["n_heads"], configs[0].d_vocab)  # noqa: E731
    changed, expected = plan_of(rows[:3]), plan_of(rows[[0, 3, 2]])
    changed.put(1, plan_of(rows[3:]))
    for found, wanted in zip(
        (*changed.rows[:2], *changed.rows.contexts, *changed[1:]),
        (*expected.rows[:2], *expected.rows.contexts, *expected[1:]),
        strict=True,
    ):
        assert torch.equal(found, wanted)


@pytest.mark.parametrize("operations", [("a+b",), ("a-b", "ab+b", "a^2+b")])
def test_a_whole_table_needs_no_indices(tiny, operations):
    configs = [tiny(*operations, p=11, seed=seed) for seed in range(3)]
    models = [start(config) for config in configs]
    table = data.make(configs[0].parsed_operations, 11, 0.5, 0)
    contexts = folded.Contexts(
        op=table.tokens[:, :11, 1].flatten().expand(3, -1), b=table.tokens[:, :11, 2].flatten().expand(3, -1)
    )
    found = folded.table_logits(stack(models), contexts, 11)
    for logits, single in zip(found, models, strict=True):
        expected = torch.stack([model.textbook_logits(single, tokens)[0] for tokens in table.tokens])
        by_operand = expected.unflatten(1, (11, 11)).transpose(0, 1).flatten(1, 2)  # [a, (op, b), vocab]
        assert_same(logits, by_operand)


@pytest.mark.parametrize(("size", "expected"), [(1, 8), (7, 8), (8, 8), (9, 16), (102, 104)])
def test_padding(size, expected):
    assert folded.padded(size) == expected
