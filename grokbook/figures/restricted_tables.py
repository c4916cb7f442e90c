"""Table 4 and what goes with it: losses of the parts of the logits, beside the paper's (Appendix E)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from grokbook.analysis import restricted
from grokbook.analysis.frequencies import multiple, others
from grokbook.analysis.restricted import COMBINATIONS, ETA, Constant, ratio, side
from grokbook.figures.groups import grouped, span
from grokbook.figures.restricted import Dissected, Dissection, loss_text
from grokbook.figures.tables import power_text
from grokbook.paper import results

ETAS = tuple(i / 10 for i in range(1, 10))


def _each(dissection: Dissection) -> Iterator[tuple[dict[str, Any], Dissected]]:
    """Every run, after the cells that name it."""
    for label, group in dissection.items():
        for dissected in group:
            yield {"run": label, "seed": dissected.run.config.seed}, dissected


def restricted_table(
    dissection: Dissection, eta: float = ETA, *, over: str = "train", constant: Constant = "residual"
) -> pd.DataFrame:
    """Table 4, the paper's numbers beside those here: one row per combination of parts, one column per run."""
    columns: dict[str, list[str]] = {
        "loss": list(COMBINATIONS),
        "of": [" + ".join(part.replace("_", "-") for part in kept) for kept in COMBINATIONS.values()],
    }
    for label, group in dissection.items():
        reported = results.table_4(group[0].run.config)
        if reported is not None and over == "train" and constant == "residual":
            columns[f"{label}, paper"] = [loss_text(reported[row]) for row in COMBINATIONS]
        for run, table, *_ in group:
            found = table.combinations(restricted.key_frequencies(run, eta), constant)
            title = f"{label}, seed {run.config.seed}"
            columns[title] = [loss_text(getattr(losses, over)) for losses in found.values()]
    return pd.DataFrame(columns)


COMPARED: Mapping[str, str] = {"restricted": "non-key and residual", "(d)": "non-key", "(c)": "residual"}
"""Rows of Table 4 whose losses the paper compares with the full one, and what they leave out."""


def restricted_ratio_table(dissection: Dissection, eta: float = ETA) -> pd.DataFrame:
    """Losses over the full loss of the same pairs, in the paper and here, with the constant in either place.

    "agrees" compares the paper with the train pairs: is the loss lower, the same (within 10 %) or higher in both?
    """
    rows = []
    for named, (run, table, full, _) in _each(dissection):
        key, reported = restricted.key_frequencies(run, eta), results.table_4(run.config)
        apart, kept = table.combinations(key), table.combinations(key, "kept")
        for row, left_out in COMPARED.items():
            over_full = ratio(apart[row].train, full.train)
            paper = None if reported is None else ratio(reported[row], reported["full"])
            rows.append(
                {
                    **named,
                    "left out": left_out,
                    "paper": "–" if paper is None else _times(paper),
                    "train": _times(over_full),
                    "agrees": "–" if paper is None else "yes" if side(paper) == side(over_full) else "no",
                    "train, constant kept": _times(ratio(kept[row].train, full.train)),
                    "test": _times(ratio(apart[row].test, full.test)),
                    "test, constant kept": _times(ratio(kept[row].test, full.test)),
                }
            )
    return pd.DataFrame(rows)


def key_threshold_table(dissection: Dissection) -> pd.DataFrame:
    """What Table 4 would say for other thresholds η, over the train pairs; thresholds with one outcome share a row."""
    rows = []
    for named, (run, table, *_) in _each(dissection):
        for key, etas in grouped((restricted.key_frequencies(run, eta), eta) for eta in ETAS).items():
            losses = table.combinations(key)
            rows.append(
                {
                    **named,
                    "η": span([f"{eta:g}" for eta in etas]),
                    "key frequencies": ", ".join(map(str, key)) if len(key) <= 8 else f"{len(key)} of them",
                    **{row: loss_text(losses[row].train) for row in ("restricted", "(a)", "(d)", "(e)")},
                }
            )
    return pd.DataFrame(rows)


def dependent_table(dissection: Dissection, eta: float = ETA, *, count: int = 6) -> pd.DataFrame:
    """The non-key frequencies whose absence raises the train loss most, and which multiples of key ones they are."""
    rows = []
    for named, (run, _, full, ablated) in _each(dissection):
        key = restricted.key_frequencies(run, eta)
        rest = others(key, len(ablated))
        multiples = {k: multiple(k, key, run.config.p) for k in rest}
        among = f"{sum(found is not None for found in multiples.values())} of {len(rest)}"
        rows += [
            {
                **named,
                "k": k,
                "train": _times(ratio(ablated[k - 1].train, full.train)),
                "test": _times(ratio(ablated[k - 1].test, full.test)),
                "multiple": "–" if (found := multiples[k]) is None else "{} · {}".format(*found),
                "multiples among all non-key": among,
            }
            for k in sorted(rest, key=lambda k: -ablated[k - 1].train)[:count]
        ]
    return pd.DataFrame(rows)


def shares_table(dissection: Dissection, eta: float = ETA) -> pd.DataFrame:
    """How much of the logits each part is, as shares of their squared norm."""
    rows = []
    for named, (run, table, *_) in _each(dissection):
        key = restricted.key_frequencies(run, eta)
        shares = {part.replace("_", "-"): f"{share:.2%}" for part, share in table.shares(key).items()}
        rows.append({**named, "key frequencies": ", ".join(map(str, key)), **shares})
    return pd.DataFrame(rows)


def _times(times: float) -> str:
    """A number of times in two or three digits: 0.49, 137, 5.3 × 10⁶."""
    if not np.isfinite(times):
        return "–"
    if 0.01 <= times < 9999.5:
        return f"{times:.2f}" if times < 10 else f"{times:,.0f}"
    return power_text(times)
