"""The weighted sums of table rows on CUDA, in Triton: torch's ``embedding_bag`` takes most of a step there.

Each entry is the sum of a fixed sequence of terms, so that results do not change from run to run. Where Triton is
missing, as on Windows, and on CPUs, :mod:`grokbook.model.folded` and :mod:`grokbook.model.backward` do the same with
torch alone. Axes are named as in :mod:`grokbook.model.folded`.
"""

from __future__ import annotations

import warnings
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import torch
from jaxtyping import Float
from torch import Tensor

from grokbook.model.plan import Plan

AVAILABLE = torch.cuda.is_available() and find_spec("triton") is not None
"""Whether there is a device, and Triton is installed; torch for CUDA on Linux brings it along."""
_AT_A_TIME, _COLUMNS = 8, 128  # rows and columns that one program works on at once


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
            _source().sum_entries[1, 1](out, one, first, one, 1, 1, 1, 0, _AT_A_TIME, _COLUMNS)
        problem = None if float(out) == 1 else f"1 times 1 came out as {float(out)}"
    except Exception as error:  # whatever a compiler, a driver or a missing header may say
        problem = str(error) or type(error).__name__
    if problem:
        warnings.warn(f"training without Triton, at about half the pace: {problem}", stacklevel=2)
    return problem is None


@cache
def _source() -> ModuleType:
    """The kernels. Triton is imported with them, and not before: that takes a while."""
    return import_module("grokbook.model.triton_sums")


def sum_entries(
    entries: Float[Tensor, "entry out"], weights: Float[Tensor, "run_row term"], plan: Plan, rectified: int
) -> Float[Tensor, "run_row out"]:
    """Of every row, the weighted sum of its entries; a ReLU is applied to the first ``rectified`` columns."""
    (n_rows, n_terms), width = weights.shape, entries.shape[1]
    assert entries.is_contiguous()
    assert weights.is_contiguous()
    out = entries.new_empty(n_rows, width)
    with torch.cuda.device_of(out):  # Triton launches on the current device
        _source().sum_entries[_blocks(n_rows, _AT_A_TIME), _blocks(width, _COLUMNS)](
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
            _source().sum_rows[n_groups, _blocks(width, _COLUMNS)](
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
                1 << (heads - 1).bit_length(),
                width,
                _AT_A_TIME,
                _COLUMNS,
            )
    return out


def _blocks(n: int, size: int) -> int:
    """How many blocks of a size hold n."""
    return -(-n // size)
