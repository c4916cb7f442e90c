"""Operands of an operation: integers, integer arrays or integer tensors, as residues."""

from __future__ import annotations

import sys
from operator import index
from typing import Any, Final

import numpy as np

MAX_MODULUS: Final = 2**31  # (p-1)² + (p-1) must fit into int64
_TENSOR_INTEGERS: Final = frozenset({"uint8", "int8", "uint16", "int16", "uint32", "int32", "int64"})


def reduced(a: Any, b: Any, p: int) -> tuple[Any, Any, int]:
    """Both operands mod p, as ints or as int64, and p as an int; errors are those of an operation that is called."""
    p = index(p)
    if not 2 <= p <= MAX_MODULUS:
        raise ValueError(f"modulus p = {p} is not in 2..{MAX_MODULUS}")
    if any(map(is_tensor, (a, b))) and any(isinstance(x, np.ndarray) for x in (a, b)):
        raise TypeError("operands mix a numpy array with a torch tensor")
    return _residues(a, p), _residues(b, p), p


def _residues(x: Any, p: int) -> Any:
    if isinstance(x, int | np.integer) and not isinstance(x, bool):
        return int(x) % p
    if isinstance(x, np.ndarray) and x.dtype == np.uint64:  # reduce before widening: it need not fit into int64
        return np.asarray(x % np.uint64(p)).astype(np.int64)
    if isinstance(x, np.ndarray) and np.issubdtype(x.dtype, np.integer):
        return x.astype(np.int64) % p
    if is_tensor(x) and str(x.dtype).removeprefix("torch.") in _TENSOR_INTEGERS:
        return x.long() % p
    kind = getattr(x, "dtype", type(x).__name__)
    raise TypeError(f"operands must be integers or integer arrays, not {kind}")


def is_tensor(x: Any) -> bool:
    """Whether `x` is a torch tensor; asked without importing torch, which takes longer than all else here."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)
