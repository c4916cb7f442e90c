import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_models import CASES, SIZES, assert_same, start, train_rows

from grokbook import data, model
from grokbook.model import folded
from grokbook.model.plan import Contexts, Plan, Rows
from grokbook.model.weights import initialise, stack


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def configs(request, tiny):
    return [tiny(*operations, p=11, **changes) for operations, changes in request.param]


def test_folded_equals_textbook(configs):
    """Logits of every run of a stack, in float64."""
    models = [start(config) for config in configs]
    tokens = torch.stack([train_rows(config)[0] for config in configs])
    plan = Plan.of(Rows.of(tokens), SIZES["n_heads"], models[0].d_vocab)
    for logits, single, run_tokens in zip(folded.folded_logits(stack(models), plan), models, tokens, strict=True):
        assert_same(logits, model.textbook_logits(single, run_tokens)[0])


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


def test_a_run_with_fewer_contexts_repeats_one(tiny):
    tokens = torch.tensor([[(0, 7, 1), (0, 7, 2), (3, 8, 2)], [(0, 7, 1), (1, 7, 1), (5, 7, 1)]])
    rows = Rows.of(tokens)
    assert rows.contexts.op.tolist() == [[7, 7, 8], [7, 7, 7]]
    assert rows.contexts.b.tolist() == [[1, 2, 2], [1, 1, 1]]
    models = [start(tiny(seed=seed)) for seed in range(2)]
    logits = folded.folded_logits(stack(models), Plan.of(rows, SIZES["n_heads"], models[0].d_vocab))
    for found, single, run_tokens in zip(logits, models, tokens, strict=True):
        assert_same(found, model.textbook_logits(single, run_tokens)[0])


@pytest.mark.parametrize("operations", [("a+b",), ("a-b", "ab+b", "a^2+b")])
def test_a_whole_table_needs_no_indices(tiny, operations):
    configs = [tiny(*operations, p=11, seed=seed) for seed in range(3)]
    models = [start(config) for config in configs]
    table = data.make(configs[0].parsed_operations, 11, 0.5, 0)
    contexts = Contexts(
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
