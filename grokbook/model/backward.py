"""The gradient of the training loss by hand: the folded pass of :mod:`grokbook.model.folded` backwards.

Written out, it needs two buffers of the size of the rows, sums gradients in a fixed order on every device, and leaves
out what frozen matrices do not need. ``d_x`` is the gradient by ``x``; axes and symbols are those of the forward pass.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from grokbook.model import kernels
from grokbook.model.folded import Parts, Tables, entries_of, fold, forward, merged_qkv, padded_unembedding, term_weights
from grokbook.model.plan import Plan
from grokbook.model.weights import Weights

with warnings.catch_warnings():
    # torch announces once per process that CSR tensors are in beta; one is all it takes to have heard it.
    warnings.simplefilter("ignore")
    torch.sparse_csr_tensor([0, 1], [0], [1.0], size=(1, 1), check_invariants=False)

_BEFORE_ATTENTION = {"W_E", "W_Q", "W_K", "W_V"}


class _ByTables(NamedTuple):
    """Gradients by the tables; None where no trained matrix needs one."""

    entries: Float[Tensor, "entry out"]
    score: Float[Tensor, "run head vocab ctx"] | None
    neuron_logit: Float[Tensor, "run mlp padded_vocab"] | None


@torch.no_grad()
def gradients(
    w: Weights, plan: Plan, labels: Int[Tensor, "run row"], scale: float, trained: Collection[str] = Weights._fields
) -> dict[str, Tensor]:
    """The gradient of ``scale`` times the summed cross-entropy of the rows, by each of the ``trained`` matrices.

    The softmax is taken in float64 (released code).
    """
    wanted = frozenset(trained)
    tables, parts = fold(w, plan.rows.contexts)
    d_tables = _by_tables(tables, plan, labels, w.d_vocab, scale, wanted)
    found = _by_weights(w, parts, plan, d_tables, wanted)
    return {name: found[name] for name in Weights._fields if name in wanted}


def _by_tables(
    tables: Tables, plan: Plan, labels: Tensor, d_vocab: int, scale: float, wanted: frozenset[str]
) -> _ByTables:
    """The part that works on rows."""
    d_mlp = tables.neuron_logit.shape[1]
    weights = term_weights(tables.score, plan)
    sums = forward(tables, weights, plan)
    post, logits = sums[..., :d_mlp], sums[..., d_mlp:]

    error = logits[..., :d_vocab].double().softmax(-1)
    at_label = labels.unsqueeze(-1)
    error.scatter_add_(-1, at_label, error.new_full(at_label.shape, -1.0))
    # From here on, buffers whose values are no longer needed are used again. The padding is 0, and stays so.
    d_logits = logits
    torch.mul(error, scale, out=d_logits[..., :d_vocab])

    d_neuron_logit = (d_logits.transpose(1, 2) @ post).transpose(1, 2) if wanted & {"W_out", "W_U"} else None
    to_post = tables.neuron_logit.transpose(1, 2)
    d_post = torch.mm(d_logits[0], to_post[0]).unsqueeze(0) if len(post) == 1 else torch.bmm(d_logits, to_post)
    torch.ops.aten.threshold_backward.grad_input(d_post, post, 0, grad_input=post)

    d_sums = sums.flatten(0, 1)
    if kernels.used_for(d_sums):
        d_entries = kernels.sum_rows(d_sums, weights, plan)
    else:
        d_entries = F.embedding_bag(
            plan.source_row,
            d_sums,
            offsets=plan.entry_start,
            mode="sum",
            per_sample_weights=weights.flatten().index_select(0, plan.source_term),
        )
    d_score = _by_score(tables, weights, plan, d_sums) if wanted & _BEFORE_ATTENTION else None
    return _ByTables(d_entries, d_score, d_neuron_logit)


def _by_score(
    tables: Tables, weights: Float[Tensor, "run_row term"], plan: Plan, d_sums: Float[Tensor, "run_row out"]
) -> Float[Tensor, "run head vocab ctx"]:
    """By the logits of α: each row counts V with α and C with −α."""
    n_runs, n_heads, n_vocab, n_ctx = tables.score.shape
    pattern = torch.sparse_csr_tensor(
        plan.row_start,
        plan.weighted.flatten(),
        weights[:, :-1].flatten(),
        size=(len(d_sums), len(tables.entries)),
        check_invariants=False,
    )
    d_weights = torch.sparse.sampled_addmm(pattern, d_sums, tables.entries.T, beta=0.0).values().view_as(plan.weighted)
    alpha = weights[:, :n_heads]
    by_row = (d_weights[:, :n_heads] - d_weights[:, n_heads:]) * alpha * (1 - alpha)
    d_score = torch.zeros_like(tables.score).flatten(2)
    at = plan.score_at.unsqueeze(1).expand(-1, n_heads, -1)
    d_score.scatter_add_(2, at, by_row.unflatten(0, (n_runs, -1)).transpose(1, 2))
    return d_score.unflatten(2, (n_vocab, n_ctx))


def _by_weights(w: Weights, parts: Parts, plan: Plan, by: _ByTables, wanted: frozenset[str]) -> dict[str, Tensor]:
    """The part that works on tokens and contexts."""
    n_vocab, W_O = w.d_vocab, w.W_O.flatten(1, 2)
    d_mixed_out, d_residual_out = entries_of(by.entries, parts.mixed.shape[:3])
    d_residual = d_residual_out @ parts.maps.mT
    found: dict[str, Tensor] = {}
    if wanted & {"W_O", "W_in", "W_U"}:
        d_head_maps = (parts.mixed.mT @ d_mixed_out).flatten(1, 2)
        mixture = parts.mixed[:, :, n_vocab:].permute(0, 1, 3, 2).flatten(1, 2)
        found["W_O"] = (d_head_maps @ parts.maps.mT + mixture @ d_residual).view_as(w.W_O)
        d_maps = W_O.mT @ d_head_maps + parts.residual.mT @ d_residual_out
        found["W_in"], found["W_U"] = d_maps.tensor_split([w.W_in.shape[-1]], dim=-1)
    if by.neuron_logit is not None:
        found["W_out"] = by.neuron_logit @ padded_unembedding(w).mT
        found["W_U"] = found.get("W_U", 0) + w.W_out.mT @ by.neuron_logit
    if "W_U" in found:
        found["W_U"] = found["W_U"][..., :n_vocab]
    if by.score is not None:
        d_mixed = (d_mixed_out @ parts.head_maps.mT).transpose(1, 2)
        d_value, d_mixture = d_mixed.tensor_split([n_vocab], dim=1)
        d_mixture = d_mixture + (d_residual @ W_O.mT).view_as(d_mixture)
        found |= _by_embeddings(w, parts, plan, by.score, d_value, d_mixture, d_residual)
    return found


def _by_embeddings(
    w: Weights,
    parts: Parts,
    plan: Plan,
    d_score: Float[Tensor, "run head vocab ctx"],
    d_value: Float[Tensor, "run vocab head d_head"],
    d_mixture: Float[Tensor, "run ctx head d_head"],
    d_residual: Float[Tensor, "run ctx model"],
) -> dict[str, Tensor]:
    """By W_E, and by the maps from it to queries, keys and values."""
    query, key_b, value_b = parts.b.unbind(2)
    _, key_op, value_op = parts.op.unbind(2)
    to_b, to_op = parts.to_b.unsqueeze(-1), 1 - parts.to_b.unsqueeze(-1)
    d_mixing = (d_mixture * (value_b - value_op)).sum(-1, keepdim=True) * to_b * to_op
    d_both = -d_score.sum(2).transpose(1, 2).unsqueeze(-1)
    d_score_b, d_score_op = d_both * to_b + d_mixing, d_both * to_op - d_mixing  # [run, ctx, head, 1]
    d_query = (d_score.mT @ parts.token[:, :, 1].transpose(1, 2)).transpose(1, 2)
    d_query = d_query + d_score_b * key_b + d_score_op * key_op
    d_key = (d_score @ query.transpose(1, 2)).transpose(1, 2)

    d_b = torch.stack([d_query, d_score_b * query, d_mixture * to_b], dim=2).flatten(2)
    d_op = torch.stack([torch.zeros_like(query), d_score_op * query, d_mixture * to_op], dim=2).flatten(2)
    of_contexts = torch.cat(
        [torch.cat([d_b, d_residual], dim=-1), torch.cat([d_op, torch.zeros_like(d_residual)], dim=-1)], dim=1
    )
    by_token = F.embedding_bag(plan.source_ctx, of_contexts.flatten(0, 1), offsets=plan.token_start, mode="sum")
    d_token, d_embedding = by_token.unflatten(0, (len(d_b), -1)).split([d_b.shape[-1], d_residual.shape[-1]], dim=-1)
    d_token = d_token + torch.stack([torch.zeros_like(d_key), d_key, d_value], dim=2).flatten(2)

    d_qkv = (w.W_E.mT @ d_token).unflatten(-1, (3, *d_key.shape[2:])).permute(2, 0, 3, 1, 4)
    return {
        "W_E": d_embedding + d_token @ merged_qkv(w).mT,
        "W_Q": d_qkv[0] / math.sqrt(query.shape[-1]),
        "W_K": d_qkv[1],
        "W_V": d_qkv[2],
    }
