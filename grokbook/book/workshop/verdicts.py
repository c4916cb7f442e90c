"""What a self-check returns, and the tools that checks share: reading answers, comparing them, naming mistakes."""

from __future__ import annotations

import functools
from collections.abc import Callable, KeysView, Sequence, ValuesView
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, ParamSpec

import numpy as np
import torch
from jaxtyping import Float

TOLERANCE = 2e-3
"""How far an answer may be off, as a share of the largest number in the right one: float32 and rounding pass."""

P = ParamSpec("P")
Array = Float[np.ndarray, "..."]


@dataclass(frozen=True)
class Verdict:
    """Whether an answer is right, and a message to the one who gave it. It is true where the answer is right."""

    passed: bool
    message: str

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        return f"{self._mark} {self.message}"

    def _repr_markdown_(self) -> str:
        return f"**{self._mark}** {self.message}"

    @property
    def _mark(self) -> str:
        return "✓ Right." if self.passed else "✗ Not yet."


class Unreadable(ValueError):
    """An answer that is nothing of the kind that was asked for; its text is said to the student."""


Mistake = tuple[Any, str]
"""A wrong answer that people arrive at, as anything that :func:`numbers` reads, and what to say to them."""


def right(message: str) -> Verdict:
    """The answer is right; ``message`` says what follows from it."""
    return Verdict(True, message)


def wrong(message: str) -> Verdict:
    """The answer is wrong; ``message`` says why, or where to look."""
    return Verdict(False, message)


PERCENT = "That is in percent; a share is between 0 and 1."
EMPTY = "Nothing here yet: replace the `...` in the line that says “your code here”."


def self_check(check: Callable[P, Verdict]) -> Callable[P, Verdict]:
    """Have a check answer gaps that are still open, and answers that cannot be read, instead of raising."""

    @functools.wraps(check)
    def checked(*args: P.args, **kwargs: P.kwargs) -> Verdict:
        if any(answer is ... for answer in (*args, *kwargs.values())):
            return wrong(EMPTY)
        try:
            return check(*args, **kwargs)
        except Unreadable as problem:
            return wrong(str(problem))

    return checked


# --- reading --------------------------------------------------------------------------------------


def numbers(answer: Any, what: str = "the answer") -> Array:
    """An answer as an array of float64, from numbers, fractions, lists, sets, arrays, series or tensors alone."""
    if answer is ...:
        raise Unreadable(EMPTY)
    if isinstance(answer, torch.Tensor):
        answer = answer.detach().cpu()
    if isinstance(answer, set | frozenset | range | KeysView | ValuesView) or hasattr(answer, "__next__"):
        answer = list(answer)
    if getattr(getattr(answer, "dtype", None), "kind", "") == "O":
        answer = answer.tolist()
    if isinstance(answer, list | tuple) and any(not isinstance(part, int | float) for part in answer):
        answer = [numbers(part, what) for part in answer]
    try:
        array = np.asarray(float(answer) if isinstance(answer, Fraction | Decimal) else answer)
        if array.dtype.kind not in "biuf":
            raise TypeError
        return array.astype(np.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise Unreadable(f"I expect numbers for {what}, and cannot read {_short(answer)}.") from error


def number(answer: Any, what: str = "the answer") -> float:
    """An answer that is one number; ``Unreadable`` otherwise."""
    array = numbers(answer, what)
    if array.size != 1:
        raise Unreadable(f"I expect one number for {what}; yours has the shape {array.shape}.")
    return float(array.reshape(()))


def whole_numbers(answer: Any, what: str = "the answer") -> list[int]:
    """An answer that is a collection of whole numbers, in its order; ``Unreadable`` otherwise."""
    array = numbers(answer, what).reshape(-1)
    if not (np.isfinite(array).all() and np.all(array == np.round(array))):
        raise Unreadable(f"I expect whole numbers for {what}, not {_short(array.tolist())}.")
    return [int(value) for value in array]


def result(function: Any, *arguments: Any, what: str = "your function") -> Any:
    """What a student's function returns; ``Unreadable`` where it raises, returns nothing, or is no function."""
    if not callable(function):
        raise Unreadable(f"I expect a function for {what}, not {_short(function)}.")
    it = f"{what[0].upper()}{what[1:]}"
    try:
        returned = function(*arguments)
    except Exception as error:  # whatever a student's code may raise
        raise Unreadable(f"{it} raised {type(error).__name__}: {error}") from error
    if returned is ...:
        raise Unreadable(EMPTY)
    if returned is None:
        raise Unreadable(f"{it} returns nothing. Does it end with `return`?")
    return returned


def _short(thing: Any) -> str:
    text = f"{thing!r}"
    return f"`{text if len(text) <= 60 else text[:57] + '…'}`"


# --- comparing ------------------------------------------------------------------------------------


def close(given: float | Array, expected: Any, *, tolerance: float = TOLERANCE, scale: bool = False) -> bool:
    """Whether two numbers or arrays are the same within rounding; with ``scale``, up to a positive factor."""
    given, expected = np.asarray(given), numbers(expected)
    if given.shape != expected.shape or not np.isfinite(given).all():
        return False
    if scale:
        given, expected = (array / (np.linalg.norm(array) or 1) for array in (given, expected))
    largest = np.abs(expected).max(initial=0)
    return bool(np.all(np.abs(given - expected) <= tolerance * largest + 1e-12))


def told(given: float | Array, mistakes: Sequence[Mistake], otherwise: str, **how: Any) -> Verdict:
    """A wrong answer: the first mistake that it is :func:`close` to, or what can be said of any."""
    return wrong(next((message for answer, message in mistakes if close(given, answer, **how)), otherwise))


def compare(
    given: float | Array,
    expected: Any,
    mistakes: Sequence[Mistake],
    passed: str,
    otherwise: str,
    *,
    scale: bool = False,
) -> Verdict:
    """``passed`` if close to what is expected; else the first mistake that fits, of any shape, or ``otherwise``."""
    if close(given, expected, scale=scale):
        return right(passed)
    given, shape = np.asarray(given), numbers(expected).shape
    if given.shape != shape:
        otherwise = f"{otherwise} I expect the shape {shape}; yours has {given.shape}."
    elif not np.isfinite(given).all():
        otherwise = f"{otherwise} There are values in it that are not finite."
    return told(given, mistakes, otherwise, scale=scale)
