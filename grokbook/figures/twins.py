"""How much of a test set could be looked up, beside how soon it is known."""

from __future__ import annotations

import pandas as pd

from grokbook.figures.groups import Group
from grokbook.figures.tables import step_text
from grokbook.twins import classes, share_with_twins


def twin_table(groups: Group) -> pd.DataFrame:
    """One row per run: values that its operation tells apart, test pairs with a twin, and when what is known.

    "Train set known": the first step with 99 % train accuracy, and test accuracy at that step. See
    :mod:`grokbook.twins`.

    Raises:
        ValueError: a run is on several operations, or on other operands than the residues.
    """
    rows = []
    for label, runs in groups.items():
        for run in runs:
            config = run.config
            if len(config.operations) > 1 or config.operands != "residues":
                raise ValueError(f"twins are counted for one operation over residues, not for {config.label}")
            (operation,) = config.parsed_operations
            share = share_with_twins(operation, config.p, config.fraction, config.seed)
            known = run.first_step("train_accuracy")
            test = run.history.set_index("step")["test_accuracy"]
            rows.append(
                {
                    "run": label,
                    "seed": config.seed,
                    "values told apart": " and ".join(str(each.max() + 1) for each in classes(operation, config.p)),
                    "test pairs with a twin": f"{share:.1%}",
                    "train set known": step_text(known),
                    "test accuracy then": "–" if known is None else f"{test[known]:.1%}",
                    "grok step": step_text(run.grok_step),
                }
            )
    return pd.DataFrame(rows)
