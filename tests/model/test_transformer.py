import math

import numpy as np
import pytest
import torch

from grokbook import model
from grokbook.model.transformer import SeparateEmbeddings, Transformer
from grokbook.model.weights import Weights, initialise

D_VOCAB, D_MODEL, N_HEADS, D_MLP = 12, 16, 2, 32
TOKENS = torch.tensor([(0, 8, 6), (3, 8, 3), (6, 9, 0), (5, 7, 2), (0, 8, 6)])


@pytest.fixture
def weights() -> Weights:
    """Twice the initial scale, so that attention is far from uniform."""
    fresh = initialise(D_VOCAB, d_model=D_MODEL, n_heads=N_HEADS, d_mlp=D_MLP, rng=np.random.default_rng(3))
    return fresh.map(lambda w: 2 * w.double())


def by_loops(w: dict[str, np.ndarray], row: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Appendix C for one row, in loops over single numbers: logits, and attention [head, 3]."""
    x = [w["W_E"][token] for token in row]
    d_model, d_head = len(x[0]), w["W_Q"].shape[2]

    def project(vector: np.ndarray, matrix: np.ndarray) -> list[float]:  # Σ_i vector_i matrix_ij
        return [sum(vector[i] * matrix[i, j] for i in range(len(vector))) for j in range(matrix.shape[1])]

    residual = list(x[2])
    attention = []
    for head in range(len(w["W_Q"])):
        query = project(x[2], w["W_Q"][head])
        keys = [project(x_j, w["W_K"][head]) for x_j in x]
        exps = [math.exp(sum(q * k for q, k in zip(query, key, strict=True)) / math.sqrt(d_head)) for key in keys]
        pattern = [e / sum(exps) for e in exps]
        attention.append(pattern)
        values = [project(x_j, w["W_V"][head]) for x_j in x]
        mixed = np.array([sum(pattern[j] * values[j][k] for j in range(3)) for k in range(d_head)])
        out = project(mixed, w["W_O"][head])
        residual = [residual[d] + out[d] for d in range(d_model)]
    post = np.array([max(0.0, pre) for pre in project(np.array(residual), w["W_in"])])
    written = project(post, w["W_out"])
    final = np.array([residual[d] + written[d] for d in range(d_model)])
    return np.array(project(final, w["W_U"])), np.array(attention)


def test_textbook_is_appendix_c(weights):
    logits, attention = model.textbook_logits(weights, TOKENS)
    arrays = {name: matrix.numpy() for name, matrix in weights._asdict().items()}
    for row, row_logits, row_attention in zip(TOKENS.tolist(), logits, attention, strict=True):
        expected_logits, expected_attention = by_loops(arrays, tuple(row))
        np.testing.assert_allclose(row_logits.numpy(), expected_logits, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(row_attention.numpy(), expected_attention, rtol=1e-11)


def test_attention_is_a_distribution_over_three_tokens(weights):
    _, attention = model.textbook_logits(weights, TOKENS)
    assert attention.shape == (len(TOKENS), N_HEADS, 3)
    assert (attention > 0).all()
    assert attention.std() > 0.1, "nothing is tested if attention is uniform"
    torch.testing.assert_close(attention.sum(-1), torch.ones(len(TOKENS), N_HEADS, dtype=torch.float64))


def test_there_is_no_positional_embedding(weights):
    logits, attention = model.textbook_logits(weights, TOKENS)
    swapped_logits, swapped_attention = model.textbook_logits(weights, TOKENS[:, [1, 0, 2]])
    torch.testing.assert_close(logits, swapped_logits)
    torch.testing.assert_close(attention[..., [1, 0, 2]], swapped_attention)


def test_the_last_token_is_read(weights):
    swapped, _ = model.textbook_logits(weights, TOKENS[:, [2, 1, 0]])
    logits, _ = model.textbook_logits(weights, TOKENS)
    distinct = TOKENS[:, 0] != TOKENS[:, 2]
    assert ((logits - swapped).abs().amax(-1) > 1e-3).equal(distinct)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_logits_are_the_textbook_s(weights, dtype):
    weights = weights.map(lambda w: w.to(dtype))
    torch.testing.assert_close(model.logits(weights, TOKENS), model.textbook_logits(weights, TOKENS)[0])


def test_logits_cover_the_vocabulary_and_carry_no_gradient(weights):
    logits = model.logits(weights.map(lambda w: w.requires_grad_()), TOKENS)
    assert logits.shape == (len(TOKENS), D_VOCAB)
    assert not logits.requires_grad


def test_logits_of_a_row_do_not_depend_on_the_other_rows(weights):
    alone = torch.cat([model.logits(weights, row.unsqueeze(0)) for row in TOKENS])
    order = torch.tensor([4, 2, 2, 0, 1, 3, 0])
    torch.testing.assert_close(model.logits(weights, TOKENS[order]), alone[order], rtol=1e-12, atol=1e-12)


def test_neuron_logit_map_is_w_u_times_w_out(weights):
    found = model.neuron_logit_map(weights)
    assert found.shape == (D_VOCAB, D_MLP)
    for token in range(D_VOCAB):
        for neuron in range(D_MLP):
            expected = sum(float(weights.W_U[d, token]) * float(weights.W_out[neuron, d]) for d in range(D_MODEL))
            assert float(found[token, neuron]) == pytest.approx(expected, rel=1e-11, abs=1e-13)


@pytest.mark.parametrize("of", [Transformer(), SeparateEmbeddings()])
def test_layers_are_cut_to_the_residues(weights, of):
    p = 5
    found = of.layers(weights, p)
    torch.testing.assert_close(found["embedding"], weights.W_E[:p])
    torch.testing.assert_close(found["neuron_logit"], (weights.W_U[:, :p].T @ weights.W_out.T))
    if isinstance(of, SeparateEmbeddings):
        torch.testing.assert_close(found.pop("embedding_b"), weights.W_E[p : 2 * p])
    assert list(found) == ["embedding", "neuron_logit"]
