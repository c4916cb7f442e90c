"""What training computes on: a device, and on a CPU so many threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def resolve_device(device: str) -> torch.device:
    """Return CUDA for "auto" where there is one, else the CPU; what is not there raises ``ValueError``."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"unknown device {device!r}; use auto, cpu or cuda") from error
    if resolved.type not in ("cpu", "cuda"):
        raise ValueError(f"device {device!r} is not supported; use auto, cpu or cuda")
    if resolved.type == "cuda" and (resolved.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device {device!r}: there is no such CUDA device here")
    return resolved


@contextmanager
def cpu_threads(number: int) -> Iterator[None]:
    """Compute on so many CPU threads, and afterwards on as many as before; ``ValueError`` for less than one."""
    if number < 1:
        raise ValueError(f"at least one CPU thread, not {number}")
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
