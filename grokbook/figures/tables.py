"""Tables as the book shows them."""

from __future__ import annotations

import pandas as pd
from IPython.display import HTML

from grokbook.figures.groups import Group


def table(frame: pd.DataFrame) -> HTML:
    """A data frame as the book shows tables: without its index."""
    return HTML(frame.to_html(index=False, border=0, justify="left"))


def outcome_table(groups: Group) -> pd.DataFrame:
    """One row per run: how it ended, and its measures at the end. Budget: the steps it could have had."""
    rows = []
    for label, runs in groups.items():
        for run in runs:
            final = run.history.iloc[-1]
            rows.append(
                {
                    "run": label,
                    "seed": run.config.seed,
                    "steps": f"{run.steps:,}",
                    "budget": f"{run.config.max_steps:,}",
                    "grok step": "–" if run.grok_step is None else f"{run.grok_step:,}",
                    "best test accuracy": f"{run.best_test_accuracy:.1%}",
                    **{
                        f"{measure.upper()} {symbol}": f"{final[f'{measure}_{layer}']:.2f}"
                        for layer, symbol in (("embedding", "W_E"), ("neuron_logit", "W_L"))
                        for measure in ("ffs", "fcr")
                    },
                }
            )
    return pd.DataFrame(rows)
