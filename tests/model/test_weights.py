import math

import numpy as np
import pytest
import torch

from grokbook.model.weights import EMBEDDING, TRANSFORMER, Weights, initialise, stack


def fresh(seed: int = 0, d_vocab: int = 102, **sizes: int) -> Weights:
    return initialise(d_vocab, rng=np.random.default_rng(seed), **sizes)


def test_table_2_has_222720_parameters_at_p_97():
    assert sum(matrix.numel() for matrix in fresh()) == 222_720


def test_shapes_are_transformerlens_s():
    weights = fresh(d_vocab=12, d_model=6, n_heads=3, d_mlp=5)
    assert {name: tuple(matrix.shape) for name, matrix in weights._asdict().items()} == {
        "W_E": (12, 6),
        "W_Q": (3, 6, 2),
        "W_K": (3, 6, 2),
        "W_V": (3, 6, 2),
        "W_O": (3, 2, 6),
        "W_in": (6, 5),
        "W_out": (5, 6),
        "W_U": (6, 12),
    }
    assert {matrix.dtype for matrix in weights} == {torch.float32}
    assert weights.d_vocab == 12
    assert stack([weights, weights]).d_vocab == 12


@pytest.mark.parametrize("name", Weights._fields)
def test_initial_weights_are_normal_with_the_released_code_s_variances(name):
    values = getattr(fresh(), name).double().flatten()
    variance = 1 / 102 if name == "W_E" else 1 / 128
    n, five_sigma = len(values), 5.0
    assert abs(float(values.mean())) < five_sigma * math.sqrt(variance / n)
    assert float(values.square().mean()) == pytest.approx(variance, rel=five_sigma * math.sqrt(2 / n))
    # A normal's fourth moment is 3 σ⁴; a uniform's is 1.8, and a normal cut at 2 σ has 2.1.
    assert float(values.pow(4).mean()) == pytest.approx(3 * variance**2, rel=five_sigma * math.sqrt(96 / 9 / n))


def test_matrices_and_seeds_are_independent():
    first, second = fresh(seed=0), fresh(seed=1)
    matrices = [first.W_Q, first.W_K, first.W_V, first.W_O.transpose(1, 2), second.W_Q]
    correlations = torch.corrcoef(torch.stack([m.flatten() for m in matrices])) - torch.eye(len(matrices))
    assert correlations.abs().max() < 5 / math.sqrt(first.W_Q.numel())
    assert all(torch.equal(*pair) for pair in zip(first, fresh(seed=0), strict=True))


def test_a_stack_holds_its_models_in_order():
    models = [fresh(seed, d_vocab=8, d_model=4, n_heads=2, d_mlp=3) for seed in range(3)]
    stacked = stack(models)
    assert stacked.W_Q.shape == (3, 2, 4, 2)
    for run, model in enumerate(models):
        assert all(torch.equal(matrix, matrices[run]) for matrix, matrices in zip(model, stacked, strict=True))


def test_map_reaches_every_matrix():
    weights = fresh(d_vocab=8, d_model=4, n_heads=2, d_mlp=3)
    assert all(torch.equal(2 * w, doubled) for w, doubled in zip(weights, weights.map(lambda w: 2 * w), strict=True))


def test_the_two_modules_leave_only_the_unembedding():
    assert set(Weights._fields) - set(EMBEDDING) - set(TRANSFORMER) == {"W_U"}
    assert not set(EMBEDDING) & set(TRANSFORMER)


def test_weights_are_shown_by_their_sizes():
    assert repr(fresh()) == "Weights(d_vocab=102, d_model=128, heads=4, d_mlp=512: 222,720 numbers)"
    stacked = repr(stack([fresh(), fresh(1)]))
    assert stacked == "Weights(2 runs, each d_vocab=102, d_model=128, heads=4, d_mlp=512: 222,720 numbers)"
