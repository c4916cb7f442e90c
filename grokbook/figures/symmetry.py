"""How much of a test set could be looked up, beside how soon it is known."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from grokbook import paper
from grokbook.analysis.symmetry import by_mirror, classes, mirrored, share_with_twins
from grokbook.data.operations import pretty
from grokbook.data.tokens import n_train
from grokbook.figures.groups import Group
from grokbook.figures.tables import per_run, step_text
from grokbook.paper import results
from grokbook.runs.run import Run


def twin_table(groups: Group) -> pd.DataFrame:
    """One row per run: values that its operation tells apart, test pairs with a twin, and when what is known.

    "Train set known": the first step with 99 % train accuracy, and test accuracy at that step. See
    :mod:`grokbook.analysis.symmetry`.

    Raises:
        ValueError: a run is on several operations, or on other operands than the residues.
    """

    def cells(run: Run) -> dict[str, str]:
        config = run.config
        if len(config.operations) > 1 or config.operands != "residues":
            raise ValueError(f"twins are counted for one operation over residues, not for {config.label}")
        (operation,) = config.parsed_operations
        share = share_with_twins(operation, config.p, config.fraction, config.seed)
        known, test = run.first_step("train_accuracy"), run.history.set_index("step")["test_accuracy"]
        return {
            "values told apart": " and ".join(str(each.max() + 1) for each in classes(operation, config.p)),
            "test pairs with a twin": f"{share:.1%}",
            "train set known": step_text(known),
            "test accuracy then": "–" if known is None else f"{test[known]:.1%}",
            "grok step": step_text(run.grok_step),
        }

    return per_run(groups, cells)


def mirror_table(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per run: test pairs whose mirror image is trained on, and how many of these and of the others are right.

    Of runs that were published with neither weights nor answers, only the best test accuracy is known. See
    :mod:`grokbook.analysis.symmetry`.

    Raises:
        ValueError: a run is not on one symmetric operation over the residues.
    """
    rows = []
    for run in sorted(runs, key=lambda run: (run.config.p, run.config.fraction, run.config.seed)):
        config = run.config
        n_test = config.p**2 - n_train(config.p**2, config.fraction)
        found = tuple(f"{share:.1%}" for share in by_mirror(run)) if run.has_answers else ("–", "–")
        rows.append(
            {
                "p": config.p,
                "r": f"{config.fraction:g}",
                "seed": config.seed,
                "best test accuracy": f"{run.best_test_accuracy:.1%}",
                "mirror images": f"{mirrored(config).sum() / n_test:.1%}",
                "right of these": found[0],
                "right of the others": found[1],
                "by chance": f"{1 / config.p:.1%}",
            }
        )
    return pd.DataFrame(rows)


def paper_mirror_table(symmetric: str, others: Sequence[str], p: int = 97) -> pd.DataFrame:
    """The paper's best accuracies where a symmetric operation fails, less its mirror images, beside its look-alikes.

    A row for each fraction. "Without mirror images": the accuracy on all other test pairs, if all mirror images are
    right: of a random split these are a share r (1 − 1/p).
    """
    rows = []
    for fraction in paper.FRACTIONS:
        best = {
            operation: None if reported is None else reported.best
            for operation in (symmetric, *others)
            for reported in [results.reported(paper.single(operation, p=p, fraction=fraction))]
        }
        if (accuracy := best[symmetric]) is not None:
            share = fraction * (1 - 1 / p)
            left = (accuracy / 100 - share) / (1 - share)
            told = {pretty(other): "–" if best[other] is None else f"{best[other]:g}%" for other in others}
            row = {"r": f"{fraction:g}", pretty(symmetric): f"{accuracy:g}%", "without mirror images": f"{left:.1%}"}
            rows.append(row | told)
    return pd.DataFrame(rows)
