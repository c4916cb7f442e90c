"""Floating-point operations of one update, counted while it runs: 2 for each multiply-add.

torch's own counter sees the matrix products. It does not know those that add to what is there, and the weighted sums
of table rows (``embedding_bag``, and ``sampled_addmm`` in their gradient); their formulas are given to it here. What
is left out on all sides is elementwise work: activations, softmax, the optimiser.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import torch
from torch.utils.flop_counter import FlopCounterMode

from grokbook.model import kernels

Shape = tuple[int, ...]


def _bag(table: Shape, indices: Shape, *args: Any, out_shape: Any = None, **kwargs: Any) -> int:
    """Weighted sums of table rows: one multiply-add per index and column."""
    return 2 * torch.Size(indices).numel() * table[1]


def _sampled(pattern: Any, left: Any, right: Any, *args: Any, out_val: Any = None, **kwargs: Any) -> int:
    """One inner product for each place of the pattern."""
    return 2 * int(pattern._nnz()) * left.shape[-1]


_sampled._get_raw = True  # type: ignore[attr-defined]  # the counter's own way to ask for tensors, not for shapes


def _added_product(total: Shape, left: Shape, right: Shape, *args: Any, out_shape: Any = None, **kwargs: Any) -> int:
    """A matrix product added to what is there."""
    return 2 * torch.Size(left).numel() * right[-1]


NOT_KNOWN_TO_TORCH = {
    torch.ops.aten.addmm_: _added_product,
    torch.ops.aten.baddbmm_: _added_product,
    torch.ops.aten._embedding_bag_forward_only: _bag,
    torch.ops.aten._embedding_bag: _bag,
    torch.ops.aten.sparse_sampled_addmm: _sampled,
}


def count(update: Callable[[], object]) -> int:
    """Operations of what ``update`` does, on CUDA without the kernels of the library, which no counter sees."""
    without = patch.object(kernels, "AVAILABLE", False)
    with without, FlopCounterMode(display=False, custom_mapping=NOT_KNOWN_TO_TORCH) as counter:
        update()
    return counter.get_total_flops()
