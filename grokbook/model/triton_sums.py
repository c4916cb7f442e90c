"""Kernels in Triton's language, launched by :mod:`grokbook.model.kernels`: imported only where they are to run."""

from __future__ import annotations

from typing import no_type_check  # Triton reads the source, and finds no names in a function that checks its arguments

import triton
from triton import language as tl


@triton.jit
@no_type_check
def sum_entries(
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
    """See :func:`grokbook.model.kernels.sum_entries`; a program works on ROWS rows and COLUMNS columns."""
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
@no_type_check
def sum_rows(
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
    """See :func:`grokbook.model.kernels.sum_rows`; a program works on COLUMNS columns, and reads ROWS rows at once."""
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
