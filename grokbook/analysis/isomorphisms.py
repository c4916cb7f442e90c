"""Operations that are the same learning problem: one is the other after its residues and labels are renamed.

g(π(a), τ(b)) = σ(f(a, b)) with bijections π and τ of the residues and σ of the labels. Rows of an embedding and columns
of an unembedding start exchangeable, and the split is uniform: so a model with separate embeddings for a and b sees f
and g as one problem, in distribution. A model with one embedding does where π = τ. None of this is in the paper.

The search is that of graph isomorphism: residues and labels get colours that renaming cannot change, finer and finer;
where some stay alike, one of them is told apart by hand, and each of its possible images is tried.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from math import gcd
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Int64, UInt64

from grokbook.data.operations import Operation

MAX_REFINEMENTS: Final = 2_000
"""After how many refinements of colours the complete search is given up."""


CHEAP: Final = 8
"""A branch of the search that took no more refinements than this is not worth the search for one like it."""


class Isomorphism(NamedTuple):
    """The renaming that turns f into g: g(π(a), τ(b)) = σ(f(a, b))."""

    pi: Int64[np.ndarray, " p"]
    """The value of a in g for each value of a in f."""
    tau: Int64[np.ndarray, " p"]
    """The same of b; π itself where the model has one embedding."""
    sigma: Int64[np.ndarray, " p"]
    """The label of g for each label of f; -1 for labels that f does not have."""


class Comparison(NamedTuple):
    """What a search for an isomorphism has found."""

    isomorphism: Isomorphism | None
    complete: bool
    """Whether all renamings were in the search; where not, only the maps x → m·xⁿ + k were, one for both operands."""


def isomorphism(f: Operation | str, g: Operation | str, p: int, separate: bool = False) -> Comparison:
    """Whether f and g are the same learning problem modulo p, and by which renaming of residues and labels.

    Args:
        f: a polynomial, its expression, or a table.
        g: likewise.
        p: modulus; of a table its own.
        separate: whether a and b may be renamed differently, as suits a model with separate embeddings for them.

    Raises:
        ValueError: an operation does not read, is constant mod p, or is a table of another modulus.
    """
    tables = [_labels(operation, p) for operation in (f, g)]
    try:
        its_f, its_g = (_Table.of(table, separate) for table in tables)
        return Comparison(_Search(separate).extend(its_f, its_g, _Chosen(), _Chosen()), True)
    except _TooLong:
        return Comparison(_by_formula(*tables), False)


def classes(operations: Iterable[Operation | str], p: int, separate: bool = False) -> list[list[Operation]]:
    """Operations that are the same learning problem side by side, in the order of their first ones.

    Arguments and errors are those of :func:`isomorphism`. Where the search was not complete, what may be one class
    counts as two.
    """
    found: list[list[Operation]] = []
    for operation in map(Operation.of, operations):
        home = next((x for x in found if isomorphism(x[0], operation, p, separate).isomorphism is not None), None)
        if home is None:
            found.append([operation])
        else:
            home.append(operation)
    return found


def _labels(operation: Operation | str, p: int) -> Int64[np.ndarray, "p p"]:
    operation = Operation.of(operation)
    operation.check(p)
    return operation.labels(p)


def with_bijections(
    f: Int64[np.ndarray, "p p"], g: Int64[np.ndarray, "p p"], pi: Int64[np.ndarray, " p"], tau: Int64[np.ndarray, " p"]
) -> Isomorphism | None:
    """The isomorphism of two tables with these bijections of the residues, if there is one: exactly, on all pairs."""
    its = g[np.ix_(pi, tau)]
    sigma = np.full(len(f), -1)
    sigma[f] = its
    one_to_one = len(np.unique(sigma[sigma >= 0])) == (sigma >= 0).sum()
    return Isomorphism(pi, tau, sigma) if one_to_one and (sigma[f] == its).all() else None


# --- the complete search --------------------------------------------------------------------------


class _TooLong(Exception):
    """The complete search has taken :data:`MAX_REFINEMENTS`."""


class _Table(NamedTuple):
    """A table with one row, and one column, for all values of an operand that are alike."""

    whole: Int64[np.ndarray, "p p"]
    labels: Int64[np.ndarray, "rows columns"]
    members: tuple[list[Int64[np.ndarray, " alike"]], list[Int64[np.ndarray, " alike"]]]
    """The values of a of each row, and the values of b of each column."""
    marks: UInt64[np.ndarray, "rows columns"]
    """What one renaming for both operands cannot change of a pair: whether a = b, and whether f(a, b) = f(b, a)."""

    @classmethod
    def of(cls, table: Int64[np.ndarray, "p p"], separate: bool) -> _Table:
        """What is left of a table when no two values are alike: they may be swapped, and would multiply the search."""
        if separate:
            a, b = _alike(table), _alike(table.T)
        else:
            a = b = _alike(np.hstack([table, table.T]))
        labels = table[np.ix_([x[0] for x in a], [y[0] for y in b])]
        marks = np.zeros(labels.shape) if separate else 2 * np.eye(len(labels)) + (labels == labels.T)
        return cls(table, labels, (a, b), marks.astype(np.uint64))

    def sizes(self, side: int) -> UInt64[np.ndarray, " n"]:
        """How many values each row, or column, stands for."""
        return np.array([len(alike) for alike in self.members[side]], np.uint64)


def _alike(rows: Int64[np.ndarray, "p n"]) -> list[Int64[np.ndarray, " alike"]]:
    """The indices of equal rows together."""
    of_row = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)
    return [np.flatnonzero(of_row == k) for k in range(of_row.max() + 1)]


class _Colours(NamedTuple):
    """A colour for each row and column: those that differ cannot be images of each other."""

    of_rows: UInt64[np.ndarray, " rows"]
    of_columns: UInt64[np.ndarray, " columns"]


class _Chosen(NamedTuple):
    """Rows and columns that are told apart by hand, in order."""

    rows: tuple[int, ...] = ()
    columns: tuple[int, ...] = ()

    def with_one(self, side: int, index: int) -> _Chosen:
        """These and one more row (side 0) or column (side 1)."""
        return self._replace(columns=(*self.columns, index)) if side else self._replace(rows=(*self.rows, index))


def _mixed(x: UInt64[np.ndarray, "*shape"]) -> UInt64[np.ndarray, "*shape"]:
    """Well mixed 64-bit hashes (the last steps of MurmurHash3). Equal ones would make a search longer, never wrong."""
    x = (x ^ (x >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    x = (x ^ (x >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return x ^ (x >> np.uint64(33))


class _Search:
    """The search for a renaming, with what it has cost so far."""

    def __init__(self, separate: bool) -> None:
        self.separate = separate
        self.refinements = 0

    def extend(self, f: _Table, g: _Table, in_f: _Chosen, in_g: _Chosen) -> Isomorphism | None:
        """The first isomorphism that maps these rows and columns of f to those of g."""
        of_f, of_g = self.refined(f, in_f), self.refined(g, in_g)
        if any(len(x) != len(y) or (np.sort(x) != np.sort(y)).any() for x, y in zip(of_f, of_g, strict=True)):
            return None
        # Rows and columns in turn: in a Latin square neither tells anything of itself without one of the other.
        for side in sorted(range(2), key=lambda side: len(in_f[side])):
            colours, first, sizes = np.unique(of_f[side], return_index=True, return_counts=True)
            if (sizes > 1).any():
                chosen = np.flatnonzero(sizes > 1)[sizes[sizes > 1].argmin()]
                images = np.flatnonzero(of_g[side] == colours[chosen]).tolist()
                return self.first_image(f, g, in_f.with_one(side, int(first[chosen])), in_g, side, images)
        return _matched(f, g, of_f, of_g)

    def first_image(
        self, f: _Table, g: _Table, in_f: _Chosen, in_g: _Chosen, side: int, images: list[int]
    ) -> Isomorphism | None:
        """The isomorphism with the first of these images of what was chosen last in f that has any."""
        failed: list[int] = []
        for image in images:
            here = in_g.with_one(side, image)
            # What g itself cannot tell from an image that has failed will fail, too: a+b has one orbit of 97.
            if any(self.extend(g, g, in_g.with_one(side, other), here) is not None for other in failed):
                continue
            began = self.refinements
            if (found := self.extend(f, g, in_f, here)) is not None:
                return found
            if self.refinements - began > CHEAP:
                failed.append(image)
        return None

    def refined(self, table: _Table, chosen: _Chosen) -> _Colours:
        """The finest colours that renaming cannot change, with the chosen rows and columns told apart."""
        self.refinements += 1
        if self.refinements > MAX_REFINEMENTS:
            raise _TooLong
        colours = table.sizes(0), table.sizes(1)
        for side, indices in enumerate(chosen):
            colours[side][list(indices)] += np.uint64(2**32) * np.arange(1, len(indices) + 1, dtype=np.uint64)
        rows, columns = colours
        of_labels = np.zeros(table.labels.max() + 1, np.uint64)
        count = 0
        while True:
            pairs = _mixed(rows[:, None] * np.uint64(3) + columns * np.uint64(5) + table.marks)
            of_labels[:] = 0
            np.add.at(of_labels, table.labels, pairs)
            cells = _mixed(pairs + _mixed(of_labels)[table.labels])
            rows, columns = _mixed(rows + cells.sum(axis=1)), _mixed(columns + cells.sum(axis=0))
            if not self.separate:
                rows = columns = _mixed(rows + np.uint64(3) * columns)
            before, count = count, len(np.unique(rows)) + len(np.unique(columns))
            if count == before:
                return _Colours(rows, columns)


def _matched(f: _Table, g: _Table, of_f: _Colours, of_g: _Colours) -> Isomorphism | None:
    """The isomorphism that pairs equal colours, where no two rows and no two columns have the same."""
    maps = np.empty((2, len(f.whole)), int)
    for side in range(2):
        for x, y in zip(np.argsort(of_f[side]), np.argsort(of_g[side]), strict=True):
            maps[side, f.members[side][x]] = g.members[side][y]
    return with_bijections(f.whole, g.whole, *maps)


# --- the search that is left ----------------------------------------------------------------------


def _by_formula(f: Int64[np.ndarray, "p p"], g: Int64[np.ndarray, "p p"]) -> Isomorphism | None:
    """The first isomorphism with one map x → m·xⁿ + k for a and b."""
    p = len(f)
    for n in (n for n in range(1, p) if gcd(n, p - 1) == 1):
        power = np.array([pow(x, n, p) for x in range(p)])
        for m, k in product(range(1, p), range(p)):
            pi = (m * power + k) % p
            if (found := with_bijections(f, g, pi, pi)) is not None:
                return found
    return None
