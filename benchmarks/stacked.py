"""Do runs that are trained together equal the runs trained alone? ``python -m benchmarks.stacked``.

Three published runs are trained once more, in one stack, and compared with their stored histories: the evaluations of
the first steps number by number, and the grok steps. With ``--steps`` both sides are trained that far only.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from grokbook import Run, default_store, paper, train

OPERATIONS = ("a+b", "a*b", "a^2+b^2")
FIRST = 200
COMPARED = ("train_loss", "test_loss", "train_accuracy", "test_accuracy", "weight_norm")


def difference(one: pd.DataFrame, other: pd.DataFrame, until: int = FIRST) -> float:
    """Largest difference of the compared columns up to a step; of losses and norms relative to their size."""
    early = [history[history["step"] <= until].reset_index(drop=True) for history in (one, other)]
    if not early[0]["step"].equals(early[1]["step"]):
        raise ValueError("the histories were not evaluated at the same steps")
    worst = 0.0
    for column in COMPARED:
        a, b = (history[column].to_numpy(dtype=float) for history in early)
        scale = 1.0 if column.endswith("accuracy") else np.maximum(np.abs(a), 1e-12)
        worst = max(worst, float((np.abs(a - b) / scale).max()))
    return worst


def compare(alone: list[Run], together: list[Run]) -> pd.DataFrame:
    """One row per run: how far its first evaluations are off, and both grok steps."""
    return pd.DataFrame(
        {
            "run": one.config.label,
            f"largest difference, first {FIRST} steps": f"{difference(one.history, other.history):.1e}",
            "grok step alone": one.grok_step,
            "together": other.grok_step,
            "evaluated every": one.config.eval_every,
        }
        for one, other in zip(alone, together, strict=True)
    )


def main(argv: list[str] | None = None) -> None:
    """Train the stack and print the table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--steps", type=int, help="train both sides this far, instead of comparing with stored runs")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(argv)
    configs = [paper.single(operation, max_steps=options.steps) for operation in OPERATIONS]
    if options.steps is None:
        store = default_store()
        alone = [store.get(config) for config in configs]
    else:
        alone = train(configs, options.device, slots=1)
    together = train(configs, options.device, slots=len(configs))
    print(compare(alone, together).to_string(index=False))


if __name__ == "__main__":
    main()
