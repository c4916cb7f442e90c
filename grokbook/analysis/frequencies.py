"""Sets of frequencies beside each other: what is left, what two share by chance, and which are multiples of which."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import torch

DRAWS = 5
"""How often other frequencies are drawn to compare with."""


def others(chosen: Iterable[int], n: int) -> list[int]:
    """The frequencies 1..n that are not among those chosen."""
    return sorted(set(range(1, n + 1)) - set(chosen))


def drawn(chosen: Collection[int], n: int) -> Iterator[list[int]]:
    """As many other frequencies of 1..n, :data:`DRAWS` times; nothing where there are not as many."""
    left = torch.tensor(others(chosen, n))
    generator = torch.Generator().manual_seed(0)
    for _ in range(DRAWS if len(left) >= len(chosen) else 0):
        yield left[torch.randperm(len(left), generator=generator)[: len(chosen)]].tolist()


def by_chance(one: Collection[int], other: Collection[int], n: int) -> float:
    """How many frequencies two sets would share on average if each had drawn its own from 1..n."""
    return len(one) * len(other) / n


def multiple(k: int, key: Iterable[int], p: int) -> tuple[int, int] | None:
    """Frequency k as twice or three times a key frequency, like (2, 18); None if it is neither.

    Frequencies j and p - j are the same wave.
    """
    return next(((m, j) for m in (2, 3) for j in sorted(key) if (m * j) % p in (k, p - k)), None)
