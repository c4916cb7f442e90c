"""Every model with every activation: its pass against its definition, and against finite differences."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_models import assert_same
from torch.nn import functional as F

from grokbook import model
from grokbook.model.folded_pass import FoldedPass
from grokbook.model.protocol import AutogradPass
from grokbook.model.registry import MODELS
from grokbook.model.transformer import Transformer
from grokbook.runs.config import RunConfig
from grokbook.runs.pairs import dataset

SMALL = {"p": 7, "fraction": 0.5, "d_mlp": 8}
TRANSFORMER = {**SMALL, "d_model": 8, "n_heads": 2}
CASES = {
    "transformer": RunConfig(operations=("a+b",), **TRANSFORMER),
    "transformer, quadratic": RunConfig(operations=("a-b", "ab+b"), activation="quadratic", **TRANSFORMER),
    "separate": RunConfig(operations=("a-b",), model="separate", **TRANSFORMER),
    "separate, mixture": RunConfig(operations=("a-b", "ab+b", "a^2+b"), model="separate", **TRANSFORMER),
    "separate, quadratic": RunConfig(operations=("2a+b",), model="separate", activation="quadratic", **TRANSFORMER),
    "mlp": RunConfig(operations=("a*b",), model="mlp", **SMALL),
    "mlp, quadratic": RunConfig(operations=("a+b",), model="mlp", activation="quadratic", **SMALL),
}


def test_every_model_has_a_case():
    assert {config.model for config in CASES.values()} == set(MODELS), "enter one in CASES, with small sizes"


@pytest.fixture(params=CASES)
def config(request) -> RunConfig:
    return CASES[request.param]


def parts(config, n_runs):
    """Weights of some runs, far from linear, and their pass, training rows and labels."""
    configs = [replace(config, seed=seed) for seed in range(n_runs)]
    of, tables = model.of(config), [dataset(each) for each in configs]
    singles = [
        of.initialise(config, np.random.default_rng(seed)).map(lambda w: 1.5 * w.double()) for seed in range(n_runs)
    ]
    stacked = of.weights(*(torch.stack(matrices) for matrices in zip(*singles, strict=True)))
    tokens, train = torch.stack([t.tokens for t in tables]), torch.stack([t.train for t in tables])
    rows = [(t.tokens[:, t.train].flatten(0, 1), t.labels[:, t.train].flatten()) for t in tables]
    return stacked, singles, of.prepare(tokens, train, config), rows, tables


def loss(config, weights, tokens, labels, scale=0.37) -> torch.Tensor:
    return scale * F.cross_entropy(model.of(config).logits(weights, tokens), labels, reduction="sum")


@pytest.mark.parametrize("n_runs", [1, 3])
def test_gradients_are_those_of_the_definition(config, n_runs):
    stacked, singles, found, rows, _ = parts(config, n_runs)
    labels = torch.stack([of_run for _, of_run in rows])
    names = stacked._fields
    gradients = found.gradients(stacked, labels, 0.37, names)
    assert tuple(gradients) == names
    for run, (single, (tokens, of_run)) in enumerate(zip(singles, rows, strict=True)):
        leaves = single.map(lambda w: w.clone().requires_grad_())
        expected = torch.autograd.grad(loss(config, leaves, tokens, of_run), list(leaves))
        for name, gradient in zip(names, expected, strict=True):
            assert_same(gradients[name][run], gradient)


def test_gradients_are_those_of_finite_differences(config):
    _, (single,), found, ((tokens, labels),), _ = parts(config, 1)
    gradients = found.gradients(single.map(lambda w: w[None]), labels[None], 0.37, single._fields)
    rng, step = np.random.default_rng(0), 1e-6
    for name, matrix in single._asdict().items():
        direction = torch.from_numpy(rng.standard_normal(matrix.shape))
        ends = [loss(config, single._replace(**{name: matrix + s * direction}), tokens, labels) for s in (step, -step)]
        slope = float(ends[0] - ends[1]) / (2 * step)
        assert float((gradients[name][0] * direction).sum()) == pytest.approx(slope, rel=1e-4, abs=1e-8), name


def test_only_what_is_trained_has_a_gradient(config):
    stacked, _, found, rows, _ = parts(config, 2)
    labels = torch.stack([of_run for _, of_run in rows])
    all_of_them = found.gradients(stacked, labels, 1.0, stacked._fields)
    first, *others = stacked._fields
    some = found.gradients(stacked, labels, 1.0, others)
    assert set(some) == set(others)
    for name, gradient in some.items():
        assert_same(gradient, all_of_them[name])
    assert not any(w.requires_grad for w in stacked), first


def test_table_logits_and_fast_logits_are_those_of_the_definition(config):
    stacked, singles, found, _, tables = parts(config, 3)
    chosen = [2, 0]
    logits = found.table_logits(stacked.map(lambda w: w[chosen]), chosen)
    of = model.of(config)
    for run, place in zip(chosen, logits, strict=True):
        for tokens, of_operation in zip(tables[run].tokens, place, strict=True):
            expected = of.logits(singles[run], tokens)
            assert_same(of_operation, expected)
            assert_same(of.fast_logits(singles[run], tokens), expected)


def test_a_run_takes_the_place_of_another(config):
    stacked, _, found, rows, _ = parts(config, 3)
    _, _, other, other_rows, other_tables = parts(replace(config, seed=0), 1)
    found.put(1, other)
    labels = torch.stack([rows[0][1], other_rows[0][1], rows[2][1]])
    gradients = found.gradients(stacked, labels, 0.37, stacked._fields)
    alone = other.gradients(stacked.map(lambda w: w[1:2]), other_rows[0][1][None], 0.37, stacked._fields)
    for name, gradient in alone.items():
        assert_same(gradients[name][1], gradient[0])


def test_only_the_paper_s_activation_is_folded():
    for name, config in CASES.items():
        kind = type(parts(config, 1)[2])
        folded = isinstance(model.of(config), Transformer) and config.activation == "relu"
        assert kind is (FoldedPass if folded else AutogradPass), name


@pytest.mark.parametrize(
    ("operation", "known", "pi", "tau"),
    [
        ("a-b", "a+b", (1, 0), (-1, 0)),
        ("2a+b", "a+b", (2, 0), (1, 0)),
        ("2a-3b", "a+b", (2, 0), (-3, 0)),
        ("a*b+b", "a*b", (1, 1), (1, 0)),
    ],
)
def test_with_separate_embeddings_relabelled_operands_are_the_same_training(operation, known, pi, tau):
    """f(a, b) = f₁(π(a), τ(b)): from rows of W_E in another order, on the same pairs, all steps are the same."""
    p, lr, steps = 7, 0.3, 25
    old, new = (RunConfig(operations=(f,), model="separate", **TRANSFORMER) for f in (known, operation))
    of, table, relabelled = model.of(old), dataset(old), dataset(new)
    residues = torch.arange(p)
    moved_a, moved_b = ((m * residues + c) % p for m, c in (pi, tau))
    rows = torch.arange(old.d_vocab)  # which row of the known run's W_E stands where in that of the new one
    rows[:p], rows[p : 2 * p] = moved_a, p + moved_b
    op, new_op = int(table.tokens[0, 0, 1]), int(relabelled.tokens[0, 0, 1])
    rows[op], rows[new_op] = new_op, op
    pairs = (moved_a[:, None] * p + moved_b).flatten()
    assert torch.equal(table.labels[:, pairs], relabelled.labels)
    train = table.train[pairs]

    def descend(weights, tokens, labels, train):
        found = of.prepare(tokens[None], train[None], old)
        for _ in range(steps):
            by = found.gradients(weights, labels[:, train].flatten()[None], 1 / int(train.sum()), weights._fields)
            weights = type(weights)(**{name: w - lr * by[name] for name, w in weights._asdict().items()})
        return weights

    start = of.initialise(old, np.random.default_rng(1)).map(lambda w: 1.5 * w.double()[None])
    expected = descend(start, table.tokens, table.labels, table.train)
    found = descend(start._replace(W_E=start.W_E[:, rows]), relabelled.tokens, relabelled.labels, train)
    assert (expected.W_E - start.W_E).abs().max() > 0.1
    for one, other in zip(found, expected._replace(W_E=expected.W_E[:, rows]), strict=True):
        assert_same(one, other)
