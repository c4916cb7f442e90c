"""The weighted sums of table rows on CUDA, written in Triton: torch's ``embedding_bag`` takes most of a step there.

Each entry is the sum of a fixed sequence of terms, so that results do not change from run to run. Where Triton is
missing, as on Windows, and on CPUs, :mod:`grokbook.folded` and :mod:`grokbook.backward` do the same with torch alone.
Axes are named as in :mod:`grokbook.folded`.
"""

from __future__ import annotations

import warnings
from functools import cache
from importlib.util import find_spec
from typing import no_type_check

import torch
from jaxtyping import Float
from torch import Tensor

from grokbook.plan import Plan

AVAILABLE = torch.cuda.is_available() and find_spec("triton") is not None
"""Whether there is a device, and Triton is installed; torch for CUDA on Linux brings it along."""
_AT_A_TIME, _COLUMNS = 8, 128  # rows and columns that one program works on at once

if AVAILABLE:
    import triton
    from triton import language as tl

    @triton.jit
    @no_type_check  # Triton reads the source, and would not find its names in a function that checks its arguments
    def _sum_entries(
        out,
        entries,
        entry,
        weight,
        n_rows,
        TERMS: tl.constexpr,
        WIDTH: tl.constexpr,
        RECTIFIED: tl.constexpr,
        ROWS: tl.constexpr,
        COLUMNS: tl.constexpr,
    ):
        row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
        column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
        inside = row < n_rows
        mask = inside[:, None] & (column < WIDTH)[None, :]
        total = tl.zeros((ROWS, COLUMNS), dtype=out.dtype.element_ty)
        for term in tl.static_range(TERMS):
            at = tl.load(entry + row * TERMS + term, mask=inside, other=0)
            factor = tl.load(weight + row * TERMS + term, mask=inside, other=0)
            total += factor[:, None] * tl.load(entries + at[:, None] * WIDTH + column[None, :], mask=mask, other=0)
        # Not a maximum, which would turn nan into 0 and hide that a run has diverged.
        total = tl.where((column < RECTIFIED)[None, :] & (total < 0), 0, total)
        tl.store(out + row[:, None] * WIDTH + column[None, :], total, mask=mask)

    @triton.jit
    @no_type_check  # Triton reads the source, and would not find its names in a function that checks its arguments
    def _sum_rows(
        out,
        rows,
        weight,
        source_row,
        source_term,
        entry_start,
        n_entries,
        n_sources,
        first,
        per_head,
        HEADS: tl.constexpr,
        HEADS_PADDED: tl.constexpr,
        WIDTH: tl.constexpr,
        ROWS: tl.constexpr,
        COLUMNS: tl.constexpr,
    ):
        # The entries of all heads for one token, or one context, are summed from the same rows: each is read once.
        program = tl.program_id(0)
        entry = first + program // per_head * HEADS * per_head + program % per_head
        head = tl.arange(0, HEADS_PADDED)
        column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
        begin = tl.load(entry_start + entry)
        end = tl.load(entry_start + entry + 1, mask=entry + 1 < n_entries, other=n_sources)
        total = tl.zeros((HEADS_PADDED, ROWS, COLUMNS), dtype=out.dtype.element_ty)
        for at in range(begin, end, ROWS):
            place = at + tl.arange(0, ROWS)
            inside = place < end
            row = tl.load(source_row + place, mask=inside, other=0)
            term = tl.load(source_term + place, mask=inside, other=0)
            factor = tl.load(
                weight + term[None, :] + head[:, None], mask=inside[None, :] & (head < HEADS)[:, None], other=0
            )
            value = tl.load(
                rows + row[:, None] * WIDTH + column[None, :],
                mask=inside[:, None] & (column < WIDTH)[None, :],
                other=0,
            )
            total += factor[:, :, None] * value[None, :, :]
        to = (entry + head * per_head).to(tl.int64)
        tl.store(
            out + to[:, None] * WIDTH + column[None, :],
            tl.sum(total, axis=1),
            mask=(head < HEADS)[:, None] & (column < WIDTH)[None, :],
        )


def used_for(tensor: Tensor) -> bool:
    """Whether sums of this tensor's rows are taken by the kernels here."""
    return AVAILABLE and tensor.is_cuda and _compiles(tensor.device)


@cache
def _compiles(device: torch.device) -> bool:
    """Whether Triton can build a kernel for this device: it needs a C compiler, and not every device will do."""
    one, first = torch.ones(1, 1, device=device), torch.zeros(1, 1, dtype=torch.int64, device=device)
    out = torch.empty_like(one)
    try:
        with torch.cuda.device(device):
            _sum_entries[1, 1](out, one, first, one, 1, 1, 1, 0, _AT_A_TIME, _COLUMNS)
        return float(out) == 1.0
    except Exception as error:  # whatever a compiler, a driver or a missing header may say
        warnings.warn(f"training without Triton, at about half the pace: {error}", stacklevel=2)
        return False


def sum_entries(
    entries: Float[Tensor, "entry out"], weights: Float[Tensor, "run_row term"], plan: Plan, rectified: int
) -> Float[Tensor, "run_row out"]:
    """Of every row, the weighted sum of its entries; a ReLU is applied to the first ``rectified`` columns."""
    (n_rows, n_terms), width = weights.shape, entries.shape[1]
    assert entries.is_contiguous()
    assert weights.is_contiguous()
    out = entries.new_empty(n_rows, width)
    with torch.cuda.device_of(out):  # Triton launches on the current device
        _sum_entries[triton.cdiv(n_rows, _AT_A_TIME), triton.cdiv(width, _COLUMNS)](
            out, entries, plan.entry, weights, n_rows, n_terms, width, rectified, _AT_A_TIME, _COLUMNS
        )
    return out


def sum_rows(
    rows: Float[Tensor, "run_row out"], weights: Float[Tensor, "run_row term"], plan: Plan
) -> Float[Tensor, "entry out"]:
    """Of every entry, the weighted sum of the rows that it is part of: the gradient of :func:`sum_entries`."""
    width, n_entries = rows.shape[1], len(plan.entry_start)
    n_heads, (n_runs, n_ctx) = (weights.shape[1] - 1) // 2, plan.rows.contexts.b.shape
    first_residual = n_entries - n_runs * n_ctx
    assert rows.is_contiguous()
    assert weights.is_contiguous()
    out = rows.new_empty(n_entries, width)
    for first, n_groups, heads in ((0, first_residual // n_heads, n_heads), (first_residual, n_runs * n_ctx, 1)):
        with torch.cuda.device_of(out):
            _sum_rows[n_groups, triton.cdiv(width, _COLUMNS)](
                out,
                rows,
                weights,
                plan.source_row,
                plan.source_term,
                plan.entry_start,
                n_entries,
                len(plan.source_row),
                first,
                n_groups // n_runs,
                heads,
                triton.next_power_of_2(heads),
                width,
                _AT_A_TIME,
                _COLUMNS,
            )
    return out
