"""Tables of labels: p × p whole numbers in 0..p-1, a along the rows. Checking, filling, packing and reading them."""

from __future__ import annotations

import base64
import hashlib
import warnings
from collections.abc import Callable, Mapping
from operator import index
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Int64

from grokbook.data.expressions import read as read_expression

MAX_SIZE: Final = 10_007  # rows, as many as there are residues for the largest modulus
MAX_NAME: Final = 30  # characters of a table's name: it is part of file names


def check_name(name: Any) -> None:
    """Raise ValueError unless this can name a table: printable, short, and nothing that reads as a polynomial."""
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME or not name.isprintable() or name != name.strip():
        raise ValueError(f"a table needs a printable name of 1 to {MAX_NAME} characters, not {str(name)[:60]!r}")
    try:
        read_expression(name)
    except ValueError:
        return
    raise ValueError(f"the name of a table must not read as a polynomial, as {name!r} does")


def checked(name: str, table: Any) -> Int64[np.ndarray, "p p"]:
    """What `table` holds, if it is a table of labels; `name` is for messages.

    Raises:
        ValueError: it is not p × p, has one label only, or one that is no whole number in 0..p-1, whose place is told.
    """
    try:
        labels = np.asarray(table)
    except ValueError:  # rows of several lengths
        raise ValueError(f"table {name!r}: its rows are not of one length, or hold no numbers") from None
    shape = " × ".join(map(str, labels.shape)) or "one number"
    if labels.ndim != 2 or labels.shape[0] != labels.shape[1] or not 2 <= len(labels) <= MAX_SIZE:
        raise ValueError(f"table {name!r}: it must be p × p, with p from 2 to {MAX_SIZE}, not {shape}")
    if labels.dtype.kind not in "iuf":
        raise ValueError(f"table {name!r}: its labels must be whole numbers, not {labels.dtype}")
    p = len(labels)
    wrong = np.argwhere(~((labels >= 0) & (labels < p) & (labels == np.floor(labels))))
    if len(wrong):
        a, b = wrong[0]
        raise ValueError(f"table {name!r}: at a = {a}, b = {b} stands {labels[a, b]}, no whole number in 0..{p - 1}")
    if (labels == labels[0, 0]).all():
        raise ValueError(f"table {name!r} has the same label at every pair: there must be something to learn")
    return labels.astype(np.int64)


def filled(name: str, function: Callable[[int, int], int], p: int) -> list[list[int]]:
    """The values of a function of two integers, at each pair of residues.

    ``ValueError``: the function fails, or returns no integer, at a pair that the message names.
    """

    def value(a: int, b: int) -> int:
        try:
            return index(function(a, b))
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise ValueError(f"table {name!r}: no whole number at a = {a}, b = {b} ({error})") from error

    return [[value(a, b) for b in range(p)] for a in range(p)]


def pack(labels: Int64[np.ndarray, "p p"]) -> bytes:
    """Labels row by row: a byte each up to p = 256, else two, the lower one first."""
    return labels.astype(_dtype(len(labels))).tobytes()


def unpack(packed: bytes, p: int) -> Int64[np.ndarray, "p p"]:
    """Inverse of :func:`pack`. ``ValueError``: there are more or fewer labels than p²."""
    return np.frombuffer(packed, _dtype(p)).reshape(p, p).astype(np.int64)


def digest(packed: bytes) -> str:
    """SHA-256 of packed labels, in hexadecimal."""
    return hashlib.sha256(packed).hexdigest()


def to_plain(name: str, p: int, packed: bytes) -> dict[str, Any]:
    """A table as values for JSON."""
    return {"table": name, "p": p, "labels": base64.b64encode(packed).decode("ascii"), "sha256": digest(packed)}


def from_plain(plain: Mapping[str, Any]) -> tuple[str, Int64[np.ndarray, "p p"]]:
    """Name and labels from what :func:`to_plain` made of them; ValueError where the labels are not those any more."""
    if set(plain) != {"table", "p", "labels", "sha256"}:
        raise ValueError(f"a table is stored as table, p, labels and sha256, not as {', '.join(map(str, plain))}")
    packed = base64.b64decode(plain["labels"], validate=True)
    if digest(packed) != plain["sha256"]:
        raise ValueError(f"table {plain['table']!r}: its labels are not those of its SHA-256")
    return plain["table"], unpack(packed, plain["p"])


def _dtype(p: int) -> str:
    return "<u1" if p <= 256 else "<u2"


def read(path: Path) -> np.ndarray:
    """The numbers in a file: a NumPy array (``.npy``), or lines of numbers with commas between them.

    ``OSError``: it cannot be read. ``ValueError``: it holds anything else; the message names the file.
    """
    try:
        with warnings.catch_warnings(action="error"):  # that there are no numbers
            return np.load(path) if path.suffix == ".npy" else np.loadtxt(path, delimiter=",", ndmin=2)
    except (ValueError, EOFError, UserWarning) as error:
        raise ValueError(f"{path}: no table of numbers: {error}") from error
