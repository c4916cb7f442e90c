"""The paper's one-layer transformer (Appendix C, Table 2): textbook forward pass, logits, neuron–logit map."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grokbook.model.folded import folded_logits
from grokbook.model.folded_pass import FoldedPass
from grokbook.model.plan import Plan, Rows
from grokbook.model.protocol import ACTIVATIONS, Model, Pass, Sizes
from grokbook.model.weights import Weights, initialise, shapes, stack


def textbook_logits(
    weights: Weights, tokens: Int[Tensor, "row 3"], activation: str = "relu"
) -> tuple[Float[Tensor, "row vocab"], Float[Tensor, "row head 3"]]:
    """Appendix C as written, for one model: logits at the last position, and the attention pattern behind them.

    Tokens are in the order (a, op, b). Causal attention lets the last position see all three; no other position is
    read. This is the definition that the folded pass is tested against, and differentiable.
    """
    w = weights
    x = w.W_E[tokens]  # x⁽⁰⁾ [row, 3, d_model]
    last = x[:, -1]
    query = torch.einsum("nd,hdk->nhk", last, w.W_Q)
    key = torch.einsum("njd,hdk->nhjk", x, w.W_K)
    value = torch.einsum("njd,hdk->nhjk", x, w.W_V)
    scores = torch.einsum("nhk,nhjk->nhj", query, key) / math.sqrt(w.W_Q.shape[-1])
    attention = scores.softmax(dim=-1)
    mixed = torch.einsum("nhj,nhjk->nhk", attention, value)
    x = last + torch.einsum("nhk,hkd->nd", mixed, w.W_O)  # x⁽¹⁾
    x = x + ACTIVATIONS[activation](x @ w.W_in) @ w.W_out  # x⁽²⁾
    return x @ w.W_U, attention


def logits(weights: Weights, tokens: Int[Tensor, "row 3"]) -> Float[Tensor, "row vocab"]:
    """Logits at the last position for rows of tokens (a, op, b), by the folded pass; no gradient.

    All d_vocab classes are returned; for analysis take the first p columns.
    """
    rows = Rows.of(tokens.unsqueeze(0))
    plan = Plan.of(rows, n_heads=weights.W_Q.shape[0], d_vocab=weights.d_vocab)
    return folded_logits(stack([weights]), plan)[0]


def neuron_logit_map(weights: Weights) -> Float[Tensor, "vocab mlp"]:
    """W_L = W_U W_out in the paper's convention (§3): what each neuron adds to each logit.

    [d_vocab, d_mlp]; for analysis take the first p rows.
    """
    return (weights.W_out @ weights.W_U).T


class Transformer(Model):
    """The paper's transformer. With a ReLU it is folded, and has a gradient by hand; otherwise it is differentiated."""

    weights = Weights

    def shapes(self, sizes: Sizes) -> tuple[tuple[int, ...], ...]:
        return shapes(sizes.d_vocab, sizes.d_model, sizes.n_heads, sizes.d_mlp)

    def initialise(self, sizes: Sizes, rng: np.random.Generator) -> Weights:
        of_layer = {"d_model": sizes.d_model, "n_heads": sizes.n_heads, "d_mlp": sizes.d_mlp}
        return initialise(sizes.d_vocab, **of_layer, rng=rng)

    def logits(self, weights: Weights, tokens: Int[Tensor, "row 3"]) -> Float[Tensor, "row vocab"]:
        return textbook_logits(weights, tokens, self.activation)[0]

    def layers(self, weights: Weights, p: int) -> dict[str, Float[Tensor, "p n"]]:
        """The two layers that the paper looks at: W_E as "embedding", W_L as "neuron_logit"."""
        return {"embedding": weights.W_E[:p], "neuron_logit": neuron_logit_map(weights)[:p]}

    def fast_logits(self, weights: Weights, tokens: Int[Tensor, "row 3"]) -> Float[Tensor, "row vocab"]:
        return logits(weights, tokens) if self.activation == "relu" else super().fast_logits(weights, tokens)

    def prepare(
        self, tokens: Int[Tensor, "run operation pair 3"], train: Bool[Tensor, "run pair"], sizes: Sizes
    ) -> Pass:
        if self.activation != "relu":
            return super().prepare(tokens, train, sizes)
        return FoldedPass(tokens, train, sizes.n_heads, sizes.d_vocab)


class SeparateEmbeddings(Transformer):
    """The same with tokens of its own for b: a is 0 to p − 1, b is p to 2p − 1, and operations come after these.

    All else is the paper's transformer on a vocabulary of 2p + 5 tokens: W_U has a class for each of them, as it has
    one for each sign there. Labels are residues, 0 to p − 1; nothing is ever to be answered with another class.
    """

    def initialise(self, sizes: Sizes, rng: np.random.Generator) -> Weights:
        """As for the transformer, with rows of W_E as large as there: those of one vocabulary, not of two."""
        fresh = super().initialise(sizes, rng)
        return fresh._replace(W_E=fresh.W_E * math.sqrt(sizes.d_vocab / (sizes.d_vocab - sizes.p)))

    def layers(self, weights: Weights, p: int) -> dict[str, Float[Tensor, "p n"]]:
        """As for the transformer, with W_E once over the tokens of a and once, as "embedding_b", over those of b."""
        return {**super().layers(weights, p), "embedding_b": weights.W_E[p : 2 * p]}
