"""The paper's one-layer transformer (Appendix C, Table 2): textbook forward pass, logits, neuron–logit map."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokbook.model.folded import folded_logits
from grokbook.model.plan import Plan, Rows
from grokbook.model.weights import EMBEDDING, TRANSFORMER, Weights, initialise, stack

__all__ = [
    "EMBEDDING",
    "TRANSFORMER",
    "Weights",
    "initialise",
    "logits",
    "neuron_logit_map",
    "stack",
    "textbook_logits",
]


def textbook_logits(
    weights: Weights, tokens: Int[Tensor, "row 3"]
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
    x = x + (x @ w.W_in).relu() @ w.W_out  # x⁽²⁾
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
