"""The gradient of one run on a CPU in C: the folded pass once more, faster than torch on one thread.

A step is 1.5 to 2.2 times as fast (benchmarks/RESULTS.md). Its sources, in ``c/``, are compiled on first use. Without a
C compiler, or where a trial does not give the gradients of :mod:`grokbook.model.backward`, torch does the same. So it
does for several runs at once, in float64, and on several threads, of which C uses one. ``GROKBOOK_CPU=torch`` turns it
off.
"""

from __future__ import annotations

import ctypes
import logging
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from grokbook.model import backward, compiler
from grokbook.model.plan import Plan, Rows
from grokbook.model.weights import Weights, shapes

VARIABLE = "GROKBOOK_CPU"
"""The environment variable that says what computes steps on a CPU: one of :data:`CHOICES`, by default the first."""
CHOICES = ("c", "torch")
SOURCE = Path(__file__).with_name("c") / "step.c"
HEADS = (1, 2, 4, 8)
"""Numbers of heads that the source has loops for."""
TOLERANCE = 1e-5
"""How far gradients of the trial may be from those in float64, as a share of the largest; float32 is at 1e-6."""
_CACHE = 640 * 1024
"""Bytes of the second cache that entries and their gradients may take, beside a block of rows."""

_chosen: ContextVar[str | None] = ContextVar("chosen", default=None)


@contextmanager
def steps_by(choice: str) -> Iterator[None]:
    """Compute steps on a CPU by one of :data:`CHOICES`, whatever the environment says; ``ValueError`` for others."""
    token = _chosen.set(_checked(choice, "steps on a CPU"))
    try:
        yield
    finally:
        _chosen.reset(token)


def _checked(choice: str, what: str) -> str:
    if choice not in CHOICES:
        raise ValueError(f"{what}: {choice!r} is none of {', '.join(CHOICES)}")
    return choice


def used_for(w: Weights) -> bool:
    """Whether gradients of a stack with these weights are computed in C, here and now."""
    choice = _chosen.get() or _checked(os.environ.get(VARIABLE) or CHOICES[0], VARIABLE)
    return (
        choice == "c"
        and all(matrix.device.type == "cpu" and matrix.dtype == torch.float32 for matrix in w)
        and len(w.W_E) == 1
        and w.W_Q.shape[1] in HEADS
        and torch.get_num_threads() == 1
        and _library() is not None
    )


class _Problem(ctypes.Structure):
    """``struct problem`` of the source."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("n_vocab", "n_heads", "d_model", "d_head", "d_mlp")),
        *((name, ctypes.c_int64) for name in ("n_ctx", "first_b", "n_b", "n_rows")),
        ("scale", ctypes.c_double),
        ("weights", ctypes.c_void_p * len(Weights._fields)),
        *((name, ctypes.c_void_p) for name in ("op", "b", "row", "a", "ctx", "label")),
        ("gradients", ctypes.c_void_p * len(Weights._fields)),
    )


class Order:
    """The rows of one run in the order in which C goes through them."""

    def __init__(self, plan: Plan, w: Weights) -> None:
        (a,), (ctx,) = plan.rows.a, plan.rows.ctx
        (op,), (b,) = plan.rows.contexts
        # Groups of first tokens whose entries stay in the second cache, and in them rows by context.
        n_vocab, n_heads, width = w.d_vocab, w.W_Q.shape[1], w.W_in.shape[-1] + w.d_vocab
        n_groups = -(-n_vocab * n_heads * 2 * 4 * width // _CACHE)
        size = -(-n_vocab // n_groups)
        row = ((a // size * len(op) + ctx) * n_vocab + a).argsort(stable=True)
        self.indices = [part.int().contiguous() for part in (op, b, row, a[row], ctx[row])]
        self.sizes = len(op), int(b.min()), int(b.max() - b.min()) + 1, len(row)


def gradients(
    w: Weights, order: Order, labels: Int[Tensor, "1 row"], scale: float, trained: Collection[str] = Weights._fields
) -> dict[str, Tensor]:
    """The same as :func:`grokbook.model.backward.gradients`, of one run for which :func:`used_for` is true.

    ``MemoryError``: there is no place for the tables of tokens.
    """
    library = _library()
    assert library is not None
    found = _gradients(library, w, order, labels, scale)
    return {name: gradient for name, gradient in found._asdict().items() if name in trained}


def _gradients(library: ctypes.CDLL, w: Weights, order: Order, labels: Tensor, scale: float) -> Weights:
    w, labels = w.map(torch.Tensor.contiguous), labels.contiguous()
    found = w.map(torch.empty_like)
    _, n_heads, d_model, d_head = w.W_Q.shape
    pointers = ctypes.c_void_p * len(w)
    problem = _Problem(
        *(w.d_vocab, n_heads, d_model, d_head, w.W_in.shape[-1], *order.sizes, scale),
        pointers(*(matrix.data_ptr() for matrix in w)),
        *(indices.data_ptr() for indices in (*order.indices, labels)),
        pointers(*(matrix.data_ptr() for matrix in found)),
    )
    if library.gradients(ctypes.byref(problem)):
        raise MemoryError("no place for the tables of tokens")
    return found


@cache
def _library() -> ctypes.CDLL | None:
    """The compiled source; None where it cannot be had, or fails in the trial."""
    try:
        found = compiler.load(SOURCE)
        problem = _trial(found)
    except (OSError, AttributeError) as error:
        problem = str(error)
    if problem:
        logging.getLogger(__name__).debug("steps on a CPU are made by torch: %s", problem)
        return None
    return found


def _trial(library: ctypes.CDLL) -> str | None:
    """What is wrong with the gradients of small random models with any number of heads; None if nothing is.

    Sizes are such that tiles, panels and blocks are full and cut short: every loop of the source is taken.
    """
    random = torch.Generator().manual_seed(0)
    for n_heads in HEADS:
        n_vocab, n_rows = 37, 150
        sizes = [(1, *size) for size in shapes(n_vocab, 24, n_heads, 83)]
        w = Weights(*(torch.randn(size, generator=random) / size[-2] ** 0.5 for size in sizes))
        drawn = torch.randint(n_vocab - 2, (1, n_rows, 3), generator=random)
        tokens = torch.stack([drawn[..., 0], n_vocab - 1 - drawn[..., 1] % 2, drawn[..., 2]], dim=-1)
        labels = torch.randint(n_vocab, (1, n_rows), generator=random)
        plan = Plan.of(Rows.of(tokens), n_heads, n_vocab)
        expected = backward.gradients(w.map(torch.Tensor.double), plan, labels, 0.5)
        found = _gradients(library, w, Order(plan, w), labels, 0.5)
        for name, gradient in found._asdict().items():
            error = (gradient - expected[name]).abs().max() / expected[name].abs().max()
            if not error < TOLERANCE:
                return f"with {n_heads} heads, the gradient by {name} is off by {float(error):.1e}"
    return None
