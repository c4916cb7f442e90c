"""What a self-check returns, and the tools that checks share: reading answers, comparing them, naming mistakes.

A check returns what it has :class:`Found`, and the words for that are in ``sentences.toml``, by the check and a key.
What stands there in braces is an argument of the check, or a fact that it has found.
"""

from __future__ import annotations

import functools
import inspect
import tomllib
from collections.abc import Callable, KeysView, Mapping, ValuesView
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from importlib.resources import files
from typing import Any, NamedTuple, ParamSpec

import numpy as np
import torch
from jaxtyping import Float

TOLERANCE = 2e-3
"""How far an answer may be off, as a share of the largest number in the right one: float32 and rounding pass."""
EMPTY = "Nothing here yet: replace the `...` in the line that says “your code here”."
# What is said to students, by the name of the check and a key; what is shared, by all checks.
SENTENCES = tomllib.loads(files(__package__).joinpath("sentences.toml").read_text("utf8"))

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


class Found(NamedTuple):
    """What a check has found: the keys of the sentences to say, and facts for their braces."""

    passed: bool
    keys: tuple[str, ...]
    facts: Mapping[str, Any]


Mistakes = Mapping[str, Any]
"""Wrong answers that people arrive at, as anything that :func:`numbers` reads, by the key of what to say to them.

Several with the same key are a tuple.
"""


def right(**facts: Any) -> Found:
    """The answer is right; the sentence ``right`` says what follows from it."""
    return Found(True, ("right",), facts)


def wrong(*keys: str, **facts: Any) -> Found:
    """The answer is wrong; the sentences say why, or where to look."""
    return Found(False, keys, facts)


def mistaken(mistakes: Mapping[str, bool], /, *otherwise: str, **facts: Any) -> Found:
    """The answer is wrong: the first mistake that was made is named, or what can be said of any wrong answer."""
    made = next((key for key, is_made in mistakes.items() if is_made), None)
    return wrong(*([made] if made else otherwise or ["otherwise"]), **facts)


def self_check(check: Callable[P, Found]) -> Callable[P, Verdict]:
    """Have a check say what it found, and what to do about gaps still open and answers that it cannot read."""
    signature, said = inspect.signature(check), {**SENTENCES["shared"], **SENTENCES.get(check.__name__, {})}

    @functools.wraps(check)
    def checked(*args: P.args, **kwargs: P.kwargs) -> Verdict:
        if any(answer is ... for answer in (*args, *kwargs.values())):
            return Verdict(False, EMPTY)
        try:
            found = check(*args, **kwargs)
        except Unreadable as problem:
            return Verdict(False, str(problem))
        facts = {**signature.bind(*args, **kwargs).arguments, **found.facts}
        return Verdict(found.passed, " ".join(said[key].format_map(facts) for key in found.keys))

    checked.__annotations__ = {**check.__annotations__, "return": Verdict}
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


def whole_number(answer: Any, what: str = "the answer") -> int:
    """An answer that is one whole number; ``Unreadable`` otherwise."""
    (value,) = whole_numbers(number(answer, what), what)
    return value


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


def near(given: float | Array, mistakes: Mistakes, **how: Any) -> dict[str, bool]:
    """To which of the mistakes an answer is :func:`close`, as :func:`mistaken` takes them."""
    several = {key: each if isinstance(each, tuple) else (each,) for key, each in mistakes.items()}
    return {key: any(close(given, answer, **how) for answer in answers) for key, answers in several.items()}


def compare(given: float | Array, expected: Any, mistakes: Mistakes, /, *, scale: bool = False, **facts: Any) -> Found:
    """Right if close to what is expected; else the first mistake that fits, of any shape, or ``otherwise``."""
    if close(given, expected, scale=scale):
        return right(expected=expected, **facts)
    given, shape, otherwise = np.asarray(given), numbers(expected).shape, ["otherwise"]
    if given.shape != shape:
        otherwise.append("shape")
    elif not np.isfinite(given).all():
        otherwise.append("infinite")
    return mistaken(near(given, mistakes, scale=scale), *otherwise, shape=shape, given=given, **facts)
