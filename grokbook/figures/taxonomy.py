"""Tables of what operations are by their formulas, beside what the paper says of them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from grokbook.data.operations import Operation, Polynomial
from grokbook.data.polynomials import Kind
from grokbook.paper import taxonomy

_YES_NO = {True: "yes", False: "–"}


def formula_table(operations: Sequence[Polynomial]) -> pd.DataFrame:
    """One row per operation: properties that follow from its formula."""
    rows = []
    for operation in operations:
        even = [name for name, holds in (("a", operation.even_in_a), ("b", operation.even_in_b)) if holds]
        divisors = [("a+b", operation.divisible_by_sum), ("a−b", operation.divisible_by_difference)]
        rows.append(
            {
                "operation": operation.pretty,
                "degree": operation.degree,
                "cross term": _YES_NO[operation.has_cross_term],
                "function of a±b": _YES_NO[operation.factorizable],
                "divisible by": ", ".join(name for name, holds in divisors if holds) or "–",
                "symmetric": _YES_NO[operation.symmetric],
                "even in": ", ".join(even) or "–",
            }
        )
    return pd.DataFrame(rows)


def taxonomy_table(operations: Sequence[Operation]) -> pd.DataFrame:
    """One row per operation: the words of Table 3, its kind, and whether that is its group in Table 5."""
    return pd.DataFrame(
        {
            "operation": operation.pretty,
            "words of Table 3": ", ".join(taxonomy.terms(operation)) or "–",
            "kind": _name(operation.kind),
            "group in Table 5": taxonomy.verdict(operation),
        }
        for operation in operations
    )


def kind_table(operations: Sequence[Operation], fraction: float = 0.3) -> pd.DataFrame:
    """One row per kind: the paper's Table 1 beside what its Table 5 says at this fraction of each operation."""
    marks = {True: "groks", False: "does not grok", None: "lost"}
    return pd.DataFrame(
        {
            "kind": _name(standing.kind),
            "by its formula": taxonomy.MEANINGS[standing.kind],
            "Table 1": marks[standing.marked],
            f"Table 5: at r = {fraction:g}": f"{len(standing.grok)} of {len(standing.grok) + len(standing.fail)}",
            "all from r =": "–" if standing.all_from is None else f"{standing.all_from:g}",
            "agrees": "yes" if standing.verdict == "agrees" else standing.verdict,
        }
        for standing in taxonomy.standings(operations, fraction)
    )


def _name(kind: Kind) -> str:
    return kind.value.replace("_", " ")
