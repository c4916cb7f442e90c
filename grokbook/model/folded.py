"""The folded forward pass and its gradient: the same function as the textbook one, at a fraction of the work.

Axis legend, used in the annotations of this module::

    run      one training run of a stack (the leading axis of everything that is trained together)
    head     attention head             n_heads = 4
    vocab    token id                   d_vocab = p + 5
    mlp      MLP neuron                 d_mlp = 512
    row      one example (a, op, b)
    ctx      one pair (op, b) of the last two tokens; many rows share it

Only the last position is read, there is no positional embedding, LayerNorm or bias, and there are only d_vocab
different tokens. So whatever depends on one token, or on one context, is computed once per token or context and
not once per row. Per head, a row (a, c = (op, b)) attends with weight α to a, and with 1 − α to a mixture C[c] of
op and b that depends on the context alone::

    Σ_j A_j W_V x_j = α V[a] + (1 − α) C[c],      α = sigmoid(s_a − logsumexp(s_op, s_b))

What is linear after that (W_O, then W_in towards the neurons, or W_U straight towards the logits) is applied to
the small tables V and C beforehand, and W_out is merged with W_U. What remains per row is one weighted sum
of 2 n_heads + 1 table rows, a ReLU, and one product with W_out W_U. Nothing is approximated: the tests compare
logits and gradients with :func:`grokbook.model.transformer.textbook_logits` in float64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from grokbook.model import kernels
from grokbook.model.plan import Contexts, Plan
from grokbook.model.weights import Weights

_ALIGN = 8  # float32 lanes of AVX2: matrix products with d_vocab padded to a multiple of it run ~20 % faster


class Tables(NamedTuple):
    """What the per-row part needs of the weights."""

    entries: Float[Tensor, "entry out"]
    """What rows sum, of all runs: see :func:`entries_of`. ``out`` is d_mlp + d_vocab, padded."""
    score: Float[Tensor, "run head vocab ctx"]
    """Logit of α: the attention of context ``ctx`` to a first token, against op and b together."""
    neuron_logit: Float[Tensor, "run mlp padded_vocab"]
    """W_out W_U, padded with zero columns."""


class Parts(NamedTuple):
    """What the tables are made of; their gradient needs it again."""

    token: Float[Tensor, "run vocab qkv head d_head"]
    """Query (divided by √d_head), key and value of every token; ``op`` and ``b``: of those of each context."""
    op: Float[Tensor, "run ctx qkv head d_head"]
    b: Float[Tensor, "run ctx qkv head d_head"]
    to_b: Float[Tensor, "run ctx head"]
    """β, the attention of b to itself, against op alone."""
    mixed: Float[Tensor, "run head vocab_ctx d_head"]
    """V of every token, then C = (1 − β) V[op] + β V[b] of every context."""
    residual: Float[Tensor, "run ctx model"]
    """The embedding of b, plus C W_O of all heads."""
    maps: Float[Tensor, "run model out"]
    """[W_in | W_U], padded."""
    head_maps: Float[Tensor, "run head d_head out"]
    """W_O [W_in | W_U]."""


def padded(d_vocab: int) -> int:
    """d_vocab rounded up to the alignment of the logit columns."""
    return -(-d_vocab // _ALIGN) * _ALIGN


def padded_unembedding(w: Weights) -> Float[Tensor, "run model padded_vocab"]:
    """W_U with zero columns behind it."""
    return F.pad(w.W_U, (0, padded(w.d_vocab) - w.d_vocab))


def merged_qkv(w: Weights) -> Float[Tensor, "run model qkv_head_d_head"]:
    """W_Q / √d_head, W_K and W_V of all heads side by side."""
    return torch.cat([w.W_Q / math.sqrt(w.W_Q.shape[-1]), w.W_K, w.W_V], dim=1).transpose(1, 2).flatten(2)


def entries_of(
    entries: Float[Tensor, "entry out"], sizes: Sequence[int]
) -> tuple[Float[Tensor, "run head vocab_ctx out"], Float[Tensor, "run ctx out"]]:
    """The table that rows sum, taken apart: V and C of each head, and the residual path.

    All are multiplied with [W_in | W_U] already, V and C with W_O before that. ``sizes`` are run, head and vocab_ctx.
    """
    of_heads, of_residual = entries.tensor_split([math.prod(sizes)])
    return of_heads.unflatten(0, tuple(sizes)), of_residual.unflatten(0, (sizes[0], -1))


def fold(w: Weights, contexts: Contexts) -> tuple[Tables, Parts]:
    """Everything that depends on one token or one context only. ``w`` carries a run axis."""
    n_runs, n_heads, _, d_head = w.W_Q.shape
    run = torch.arange(n_runs, device=w.W_E.device).unsqueeze(1)
    token = (w.W_E @ merged_qkv(w)).unflatten(-1, (3, n_heads, d_head))
    op, b = token[run, contexts.op], token[run, contexts.b]
    query = b[:, :, 0]
    score_op, score_b = ((query * at[:, :, 1]).sum(-1) for at in (op, b))  # [run, ctx, head]
    to_both = torch.logaddexp(score_op, score_b).transpose(1, 2)
    score = token[:, :, 1].transpose(1, 2) @ query.permute(0, 2, 3, 1) - to_both.unsqueeze(2)

    to_b = torch.sigmoid(score_b - score_op)
    mixture = torch.lerp(op[:, :, 2], b[:, :, 2], to_b.unsqueeze(-1))
    W_U, W_O = padded_unembedding(w), w.W_O.flatten(1, 2)
    maps = torch.cat([w.W_in, W_U], dim=-1)
    head_maps = (W_O @ maps).unflatten(1, (n_heads, d_head))
    # α V + (1 − α) C = α (V − C) + C, and the last C joins the residual path.
    residual = w.W_E[run, contexts.b] + mixture.flatten(2) @ W_O
    mixed = torch.cat([token[:, :, 2], mixture], dim=1).transpose(1, 2).contiguous()
    entries = maps.new_empty(mixed.shape[:3].numel() + residual.shape[:2].numel(), maps.shape[-1])
    of_heads, of_residual = entries_of(entries, mixed.shape[:3])
    torch.bmm(mixed.flatten(0, 1), head_maps.flatten(0, 1), out=of_heads.flatten(0, 1))
    torch.bmm(residual, maps, out=of_residual)
    parts = Parts(token, op, b, to_b, mixed, residual, maps, head_maps)
    return Tables(entries, score, w.W_out @ W_U), parts


def term_weights(score: Float[Tensor, "run head vocab ctx"], plan: Plan) -> Float[Tensor, "run_row term"]:
    """What each term of a row counts: α for V, −α for C, 1 for the residual path."""
    at = plan.score_at.unsqueeze(1).expand(-1, score.shape[1], -1)
    alpha = torch.sigmoid(score.flatten(2).gather(2, at)).transpose(1, 2).flatten(0, 1)
    return torch.cat([alpha, -alpha, alpha.new_ones(len(alpha), 1)], dim=1)


def forward(tables: Tables, weights: Float[Tensor, "run_row term"], plan: Plan) -> Float[Tensor, "run row out"]:
    """Of every row, what the neurons put out, and then the logits."""
    n_runs, n_rows = plan.rows.a.shape
    d_mlp = tables.neuron_logit.shape[1]
    if kernels.used_for(tables.entries):
        sums = kernels.sum_entries(tables.entries, weights, plan, rectified=d_mlp)
    else:
        sums = F.embedding_bag(plan.entry, tables.entries, mode="sum", per_sample_weights=weights)
        sums[:, :d_mlp].relu_()
    sums = sums.unflatten(0, (n_runs, n_rows))
    post, logits = sums[..., :d_mlp], sums[..., d_mlp:]
    if n_runs == 1:  # baddbmm would copy the strided operands
        logits[0].addmm_(post[0], tables.neuron_logit[0])
    else:
        logits.baddbmm_(post, tables.neuron_logit)
    return sums


@torch.no_grad()
def folded_logits(w: Weights, plan: Plan) -> Float[Tensor, "run row vocab"]:
    """Logits at the last position for all rows of a stack of runs."""
    tables, _ = fold(w, plan.rows.contexts)
    sums = forward(tables, term_weights(tables.score, plan), plan)
    return sums[..., tables.neuron_logit.shape[1] :][..., : w.d_vocab]


@torch.no_grad()
def table_logits(w: Weights, contexts: Contexts, n_operands: int) -> Float[Tensor, "run operand ctx vocab"]:
    """Logits at the last position for every first token 0..n_operands-1 in every context.

    On a whole table the sums over heads are products of small matrices, and no indices are needed.
    """
    tables, _ = fold(w, contexts)
    n_runs, n_heads, n_vocab, n_ctx = tables.score.shape
    d_mlp = tables.neuron_logit.shape[1]
    of_heads, of_residual = entries_of(tables.entries, (n_runs, n_heads, n_vocab + n_ctx))
    from_a, from_ctx = of_heads[:, :, :n_operands], of_heads[:, :, n_vocab:]
    alpha = torch.sigmoid(tables.score[:, :, :n_operands])  # [run, head, operand, ctx]
    sums = alpha.permute(0, 2, 3, 1) @ from_a.transpose(1, 2)  # [run, operand, ctx, out]
    sums -= (alpha.permute(0, 3, 2, 1) @ from_ctx.transpose(1, 2)).transpose(1, 2)
    sums += of_residual.unsqueeze(1)
    logits = sums[..., d_mlp:].flatten(1, 2)
    post = sums[..., :d_mlp].relu_().flatten(1, 2)
    return torch.baddbmm(logits, post, tables.neuron_logit).unflatten(1, (n_operands, n_ctx))[..., : w.d_vocab]
