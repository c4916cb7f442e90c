"""Index arithmetic of the folded pass: which tokens and contexts the rows of a stack of runs have.

Axes are named as in :mod:`grokbook.model.folded`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor


class Contexts(NamedTuple):
    """The different (op, b) of each run of a stack, as token ids."""

    op: Int[Tensor, "run ctx"]
    b: Int[Tensor, "run ctx"]


class Rows(NamedTuple):
    """Examples of a stack of runs in the form that the folded pass reads: first token, and which context a row has."""

    a: Int[Tensor, "run row"]
    ctx: Int[Tensor, "run row"]
    contexts: Contexts

    @classmethod
    def of(cls, tokens: Int[Tensor, "run row 3"]) -> Rows:
        """Split rows of tokens (a, op, b) into first tokens and contexts.

        Contexts are numbered in the order of their (op, b) codes. A run with fewer of them than another repeats its
        first one: no row refers to the repetitions.
        """
        base = tokens.max() + 1
        found = [torch.unique(run[:, 1] * base + run[:, 2], return_inverse=True) for run in tokens]
        n_ctx = max(len(codes) for codes, _ in found)
        codes = torch.stack([torch.cat([codes, codes[:1].expand(n_ctx - len(codes))]) for codes, _ in found])
        ctx = torch.stack([place for _, place in found])
        return cls(tokens[..., 0].contiguous(), ctx, Contexts(codes // base, codes % base))


class Plan(NamedTuple):
    """Index arithmetic of a fixed set of rows: which table entries each row sums, and the reverse of it."""

    rows: Rows
    score_at: Int[Tensor, "run row"]
    entry: Int[Tensor, "run_row term"]
    """Entries summed by each row, as indices into all runs' entries; terms are V (head), C (head), residual."""
    weighted: Int[Tensor, "run_row weighted_term"]
    """The entries whose weights are trained: all but the residual path. ``row_start`` is where each row's begin."""
    row_start: Int[Tensor, " run_row_1"]
    source_row: Int[Tensor, " run_row_term"]
    """The rows that sum an entry, entry after entry; ``source_term`` is their place in ``entry``."""
    source_term: Int[Tensor, " run_row_term"]
    entry_start: Int[Tensor, " run_entry"]
    source_ctx: Int[Tensor, " run_twice_ctx"]
    """The contexts that a token is in, token after token: as b first, then, counted from n_ctx on, as op."""
    token_start: Int[Tensor, " run_vocab"]

    @classmethod
    def of(cls, rows: Rows, n_heads: int, d_vocab: int) -> Plan:
        n_runs, n_rows = rows.a.shape
        n_ctx = rows.contexts.op.shape[1]
        device = rows.a.device
        heads = torch.arange(n_heads, device=device)
        by_head = d_vocab + n_ctx
        first_residual = n_runs * n_heads * by_head
        of_heads = by_head * (heads + n_heads * torch.arange(n_runs, device=device)[:, None, None])
        of_residual = first_residual + n_ctx * torch.arange(n_runs, device=device)[:, None, None]
        ctx = rows.ctx[..., None]
        entry = torch.cat([rows.a[..., None] + of_heads, d_vocab + ctx + of_heads, ctx + of_residual], dim=-1)
        entry = entry.flatten(0, 1)
        flat = entry.flatten()
        source_term = flat.argsort(stable=True)
        every_entry = torch.arange(first_residual + n_runs * n_ctx, device=device)
        of_runs = d_vocab * torch.arange(n_runs, device=device).unsqueeze(1)
        in_ctx = (torch.cat([rows.contexts.b, rows.contexts.op], dim=1) + of_runs).flatten()
        source_ctx = in_ctx.argsort(stable=True)
        return cls(
            rows=rows,
            score_at=rows.a * n_ctx + rows.ctx,
            entry=entry,
            weighted=entry[:, :-1].contiguous(),
            row_start=2 * n_heads * torch.arange(len(entry) + 1, device=device),
            source_row=source_term // entry.shape[1],
            source_term=source_term,
            entry_start=torch.searchsorted(flat[source_term], every_entry),
            source_ctx=source_ctx,
            token_start=torch.searchsorted(in_ctx[source_ctx], torch.arange(n_runs * d_vocab, device=device)),
        )

    def put(self, slot: int, single: Plan) -> None:
        """Write the plan of a single run of the same sizes into the place of run ``slot``, without new memory."""
        n_runs, n_rows = self.rows.a.shape
        n_ctx = self.rows.contexts.b.shape[1]
        n_terms = self.entry.shape[1]
        for mine, its in zip(
            (self.rows.a, self.rows.ctx, *self.rows.contexts, self.score_at),
            (single.rows.a, single.rows.ctx, *single.rows.contexts, single.score_at),
            strict=True,
        ):
            mine[slot] = its[0]

        def write(mine: Tensor, its: Tensor, offset: int) -> None:
            mine.unflatten(0, (n_runs, -1))[slot] = its + offset

        # What is flattened over runs counts through all of them: entries of heads first, then residual paths.
        of_heads, summed = len(single.entry_start) - n_ctx, n_rows * (n_terms - 1)
        others = n_runs - 1
        write(self.weighted, single.weighted, slot * of_heads)
        write(self.entry[:, :-1], single.weighted, slot * of_heads)
        write(self.entry[:, -1], single.entry[:, -1], others * of_heads + slot * n_ctx)
        for mine, its, offset in (
            (self.source_row, single.source_row, n_rows),
            (self.source_term, single.source_term, n_rows * n_terms),
        ):
            write(mine[: n_runs * summed], its[:summed], slot * offset)
            write(mine[n_runs * summed :], its[summed:], slot * offset)
        write(self.entry_start[: n_runs * of_heads], single.entry_start[:of_heads], slot * summed)
        write(self.entry_start[n_runs * of_heads :], single.entry_start[of_heads:], others * summed + slot * n_rows)
        write(self.source_ctx, single.source_ctx, slot * len(single.source_ctx))
        write(self.token_start, single.token_start, slot * len(single.source_ctx))
