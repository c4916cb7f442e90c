import math

import numpy as np
import pytest
import torch

from grokbook import model
from grokbook.model.mlp import MLP, MLPWeights
from grokbook.runs.config import RunConfig

CONFIG = RunConfig(operations=("a+b",), p=7, d_mlp=5, model="mlp")
TOKENS = torch.tensor([(0, 8, 6), (3, 8, 3), (6, 8, 0), (5, 8, 2)])


@pytest.fixture
def weights() -> MLPWeights:
    return MLP().initialise(CONFIG, np.random.default_rng(3)).map(torch.Tensor.double)


@pytest.mark.parametrize("activation", ["relu", "quadratic"])
def test_logits_are_those_of_a_perceptron_on_two_one_hot_vectors(weights, activation):
    first = torch.cat([weights.W_a, weights.W_b]).numpy()
    found = MLP(activation).logits(weights, TOKENS)
    for (a, _, b), row in zip(TOKENS.tolist(), found.tolist(), strict=True):
        one_hot = np.zeros(14)
        one_hot[[a, 7 + b]] = 1
        pre = one_hot @ first
        post = [max(0.0, x) if activation == "relu" else x * x for x in pre]
        np.testing.assert_allclose(row, post @ weights.W_out.numpy(), rtol=1e-12)


def test_the_operation_token_is_not_read(weights):
    other = TOKENS.clone()
    other[:, 1] = 0
    assert torch.equal(MLP().logits(weights, TOKENS), MLP().logits(weights, other))


def test_initial_weights_have_the_variances_that_are_named():
    config = RunConfig(operations=("a+b",), p=97, model="mlp")
    fresh = MLP().initialise(config, np.random.default_rng(0))
    for matrix, shape, variance in zip(fresh, MLP().shapes(config), (1 / 97, 1 / 97, 1 / 512), strict=True):
        assert tuple(matrix.shape) == shape
        assert matrix.dtype == torch.float32
        assert float(matrix.double().square().mean()) == pytest.approx(variance, rel=5 * math.sqrt(2 / matrix.numel()))
    assert abs(float(torch.corrcoef(torch.stack([fresh.W_a.flatten(), fresh.W_b.flatten()]))[0, 1])) < 0.03


def test_layers_are_rows_of_residues(weights):
    found = model.of(CONFIG).layers(weights, 7)
    torch.testing.assert_close(found["embedding"], weights.W_a)
    torch.testing.assert_close(found["embedding_b"], weights.W_b)
    torch.testing.assert_close(found["neuron_logit"], weights.W_out.T)
