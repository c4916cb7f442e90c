"""What students hand in when something else went wrong: no self-check may raise, or let it pass."""

from collections.abc import Callable

import numpy as np
import torch

from grokbook.book.workshop import Verdict

GARBAGE = (
    *(..., None, "text", object(), {}, {"a": 1}, [], (), set(), [[1, 2], [3]], [...], ["a"], b"x", print, 1j),
    *(float("nan"), float("inf"), -1, 0, 10**30, 0.123456, True, np.nan * np.zeros(13), torch.zeros(0)),
    *(np.zeros((3, 4, 5)), torch.ones(13, 13), [float("inf")] * 3, np.array(["a"]), np.array([None])),
    *(lambda *_: None, lambda: 1, lambda *_: "text", lambda *_: 1 / 0, lambda *_: torch.zeros(2, 2)),
)


def assert_refused(check: Callable[..., Verdict], answers: int = 1) -> None:
    """Every piece of garbage is wrong, in words, for each of the answers that a check takes."""
    for thing in GARBAGE:
        verdict = check(*[thing] * answers)
        assert isinstance(verdict, Verdict)
        assert not verdict, thing
        assert len(verdict.message) > 10
