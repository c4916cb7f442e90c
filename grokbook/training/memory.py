"""What runs need in memory, how much there is, and how the process keeps it."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import sys
from functools import cache

import torch

from grokbook.data import tokens
from grokbook.model.folded import padded
from grokbook.runs.config import RunConfig

MAX_SLOTS = 64
"""Runs in one stack on CUDA at most. One of 16 makes 82 % of what one of 64 does (benchmarks/RESULTS.md)."""
EVALUATED_TOGETHER = 16
"""Runs of a stack on CUDA whose whole tables are evaluated at once."""


def bytes_needed(config: RunConfig) -> tuple[int, int]:
    """Roughly what one run needs in memory: while it trains, and besides while it is evaluated."""
    n, n_operations = tokens.n_operands(config.p, config.operands), len(config.operations)
    rows = tokens.n_train(n * n, config.fraction) * n_operations
    n_ctx = n * n_operations
    out, terms = config.d_mlp + padded(config.d_vocab), 2 * config.n_heads + 1
    # Per row: activations and logits, their float64 values and softmax, a gradient, indices and weights of the terms.
    training = rows * (4 * out + 16 * config.d_vocab + 4 * config.d_mlp + 48 * terms)
    tables = 4 * (config.n_heads * (config.d_vocab + n_ctx) + n_ctx) * out
    evaluation = n * n_ctx * (2 * 4 * out + (4 + 3 * 8) * config.d_vocab)
    if config.activation != "relu" and "d_model" in config.model_entry.sizes:
        # The textbook pass: embeddings, keys and values of three tokens for every row, and what softmax and MLP keep.
        per_row = 4 * (16 * config.d_model + 2 * config.d_mlp)
        training, evaluation = training + rows * per_row, evaluation + n * n_ctx * per_row
    return training + 6 * tables, evaluation


def available(device: torch.device) -> int:
    """Bytes of memory there are: all of the machine's on a CPU, what is free on CUDA.

    What torch's allocator has taken and does not use is free, too.
    """
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else sys.maxsize


def check(config: RunConfig, device: torch.device) -> None:
    """Raise ``ValueError`` if a run cannot fit into the memory of the device."""
    needed, there = sum(bytes_needed(config)), available(device)
    if needed > 0.9 * there:
        raise ValueError(
            f"{config.label} needs about {needed / 1e9:.0f} GB of memory, and {device} has {there / 1e9:.0f} GB: "
            "take a smaller p"
        )


def slots(config: RunConfig, device: torch.device) -> int:
    """How many runs like this one to train together: one on a CPU, what fits but at most 64 on CUDA."""
    if device.type != "cuda":
        return 1
    training, evaluation = bytes_needed(config)
    return max(1, min(MAX_SLOTS, int((0.7 * available(device) - EVALUATED_TOGETHER * evaluation) // training)))


@cache
def keep_freed() -> None:
    """Tell glibc to keep large freed buffers instead of returning them to the system.

    Every step allocates and frees the same buffers of several MB; mapped afresh each time, their page faults cost
    about a quarter of a step. Elsewhere than on glibc this does nothing.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(ctypes.util.find_library("c")), "mallopt", None)
    if mallopt is not None:
        m_trim_threshold, m_mmap_threshold = -1, -3
        mallopt(m_mmap_threshold, 1 << 30)
        mallopt(m_trim_threshold, (1 << 31) - 1)
