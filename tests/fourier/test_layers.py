import math

import numpy as np
import pytest
import torch

from grokbook import data, fourier, model
from grokbook.data.operations import Operation
from grokbook.fourier import layers
from grokbook.model.transformer import Transformer

P, D_VOCAB = 7, 12
TRANSFORMER = Transformer()


def weights(seed: int = 0) -> model.Weights:
    return model.initialise(D_VOCAB, d_model=8, n_heads=2, d_mlp=16, rng=np.random.default_rng(seed))


def test_the_two_layers_of_the_paper_are_cut_to_the_residues():
    w = weights()
    found = layers.matrices(TRANSFORMER, w, P)
    torch.testing.assert_close(found["embedding"], w.W_E[:P])
    torch.testing.assert_close(found["neuron_logit"], w.W_U[:, :P].T @ w.W_out.T)
    assert list(found) == list(layers.LAYERS) == ["embedding", "neuron_logit"]


def test_spectra_of_a_stack_are_those_of_each_of_its_runs():
    singles = [weights(seed) for seed in range(3)]
    found = layers.spectra(TRANSFORMER, model.stack(singles), P)
    for run, single in enumerate(singles):
        for name, matrix in layers.matrices(TRANSFORMER, single, P).items():
            torch.testing.assert_close(found[name][run], fourier.spectrum(matrix).to_rows())
    assert all(rows.dtype == torch.float32 for rows in found.values())


@pytest.mark.parametrize("operands", ["residues", "vocab"])
def test_the_map_of_the_logits_is_the_2d_transform_over_all_pairs_of_residues(operands):
    w, tokens = weights(), data.make([Operation.parse("a+b")], P, 0.5, 0, operands).tokens[0]
    logits = torch.empty(P, P, P)
    for a, op, b in tokens.tolist():
        if a < P and b < P:
            logits[a, b] = model.textbook_logits(w, torch.tensor([[a, op, b]]))[0][0, :P]
    expected = np.fft.rfft2(logits.numpy(), axes=(1, 0))  # constants and cosines of both inputs, by another transform
    found = layers.logit_map(TRANSFORMER, w, tokens, P)
    assert float(found[0, 0]) == pytest.approx(np.linalg.norm(expected[0, 0]) / P, rel=1e-4)
    total = math.sqrt(float(logits.double().square().sum()))
    assert float(found.square().sum().sqrt()) == pytest.approx(total, rel=1e-4)
