"""How good predictions were, beside simpler ones.

What is simpler knows no waves: whether an operation is flat; whether it is flat, and symmetric; the share r of pairs
alone; nothing but how many runs grok. All of these are fitted to the same runs as the law. Intervals come from a
bootstrap over classes of operations that are the same learning problem: a hundred seeds of a+b would be one case.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float64

from grokbook.analysis import grok_law, scores
from grokbook.paper.predicted import Predicted

LAW: Final = "the law"
R_ONLY: Final = "r only"
SIMPLER: Final[Mapping[str, Callable[[Predicted], object]]] = {
    "flat or not": lambda row: row.flat,
    "flat, and symmetric": lambda row: (row.flat, row.symmetric),
    "always the base rate": lambda row: None,
}
"""By what the runs are divided, of which the share that groks is then the probability of each."""
PREDICTORS: Final = (LAW, "flat or not", "flat, and symmetric", R_ONLY, "always the base rate")
MEASURES: Final = ("AUC", "accuracy", "log loss", "step factor")
"""Those of :mod:`grokbook.analysis.scores`; the larger the better are the first two."""
RESAMPLES: Final = 1000
LEVEL: Final = 0.95
"""How many of the resampled scores lie in an interval."""


class Forecast(NamedTuple):
    """What a predictor says of some runs."""

    probability: Float64[np.ndarray, " n"]
    steps: Float64[np.ndarray, " n"]
    """The median grok step; NaN where a predictor knows of none."""
    order: Float64[np.ndarray, " n"]
    """What ranks the runs, for the AUC."""


class Estimate(NamedTuple):
    """A score with the interval of a bootstrap over classes; NaN where it cannot be had."""

    value: float
    low: float
    high: float


class Scores(NamedTuple):
    """The scores of each predictor over some runs."""

    runs: int
    groups: int
    """How many classes of operations they are of."""
    estimates: Mapping[str, Mapping[str, Estimate]]
    """By predictor and measure, see :data:`PREDICTORS` and :data:`MEASURES`."""
    wins: Mapping[str, Mapping[str, float]]
    """In which share of the resamples the law scores better than each other predictor, by predictor and measure."""

    def no_better(self, measure: str) -> list[str]:
        """The simpler predictors that the law does not beat in :data:`LEVEL` of the resamples."""
        return [name for name, won in self.wins.items() if not won[measure] >= LEVEL]


def forecasts(rows: Sequence[Predicted], known: Sequence[Predicted], *, apart: bool = False) -> dict[str, Forecast]:
    """What each predictor says of some runs, by :data:`PREDICTORS`.

    Args:
        rows: the runs.
        known: runs whose ends are known, which the simpler predictors are fitted to.
        apart: leave out what is of a run's own class: for runs that are among the known ones.
    """
    ours = np.array([row.probability for row in rows], float)
    found = {LAW: Forecast(ours, np.array([row.steps for row in rows], float), ours)}
    simple = {name: np.full((2, len(rows)), np.nan) for name in PREDICTORS if name != LAW}
    for group in dict.fromkeys(row.group if apart else "" for row in rows):
        inside = [i for i, row in enumerate(rows) if not apart or row.group == group]
        others = [row for row in known if not apart or row.group != group]
        law = _without_waves(others)
        for i in inside:
            at = math.inf, rows[i].pairs, rows[i].fraction
            simple[R_ONLY][:, i] = law.probability(*at, rows[i].budget), law.steps(*at)
            for name, divide in SIMPLER.items():
                simple[name][:, i] = _of_its_kind(rows[i], others, divide)
    # Without a class that groks, fewer of the others do: a share over those would rank the class low. So ranks come
    # from all runs, which flatters what is simpler.
    whole = _without_waves(known)
    order = {
        R_ONLY: [whole.probability(math.inf, row.pairs, row.fraction, row.budget) for row in rows],
        **{name: [_of_its_kind(row, known, divide)[0] for row in rows] for name, divide in SIMPLER.items()},
    }
    return found | {name: Forecast(said[0], said[1], np.array(order[name], float)) for name, said in simple.items()}


def _without_waves(known: Sequence[Predicted]) -> grok_law.Law:
    """The law in which r alone is left."""
    return grok_law.fit([row.case._replace(rho=math.inf) for row in known])


def _of_its_kind(
    row: Predicted, known: Sequence[Predicted], divide: Callable[[Predicted], object]
) -> tuple[float, float]:
    """The share that groks of the known runs of a run's kind, and the median of their grok steps.

    One run of each outcome is added to the share, so that none is certain; of a kind that is not known, that is ½.
    """
    ended = [each.end for each in known if each.end is not None and divide(each) == divide(row)]
    steps = [end.steps for end in ended if end.grokked]
    return (len(steps) + 1) / (len(ended) + 2), float(np.median(steps)) if steps else float("nan")


def score(rows: Sequence[Predicted], known: Sequence[Predicted], *, apart: bool = False, seed: int = 0) -> Scores:
    """The scores of each predictor over those runs whose ends are known.

    Arguments are those of :func:`forecasts`; the seed is that of the bootstrap.
    """
    rows = [row for row in rows if row.end is not None]
    names = list(dict.fromkeys(row.group for row in rows))
    members = [np.array([i for i, row in enumerate(rows) if row.group == name]) for name in names]
    grokked = np.array([row.end is not None and row.end.grokked for row in rows], bool)
    steps = np.array([math.nan if row.end is None else row.end.steps for row in rows], float)
    said = forecasts(rows, known, apart=apart)

    def measured(chosen: np.ndarray) -> Float64[np.ndarray, "predictors measures"]:
        return np.array([_measured(forecast, grokked, steps, chosen) for forecast in said.values()])

    if not rows:
        nothing = Estimate(math.nan, math.nan, math.nan)
        empty = {name: dict.fromkeys(MEASURES, nothing) for name in PREDICTORS}
        return Scores(0, 0, empty, {name: dict.fromkeys(MEASURES, math.nan) for name in PREDICTORS if name != LAW})
    generator = np.random.default_rng(seed)
    draws = generator.integers(len(members), size=(RESAMPLES, len(members)))
    samples = np.array([measured(np.concatenate([members[k] for k in draw])) for draw in draws])
    values = measured(np.arange(len(rows)))
    goodness = samples * np.array([1, 1, -1, -1])
    estimates: dict[str, dict[str, Estimate]] = {}
    wins: dict[str, dict[str, float]] = {}
    for i, name in enumerate(said):
        estimates[name] = {
            measure: Estimate(float(values[i, j]), *_interval(samples[:, i, j])) for j, measure in enumerate(MEASURES)
        }
        if name != LAW:
            wins[name] = {m: _share_above(goodness[:, 0, j], goodness[:, i, j]) for j, m in enumerate(MEASURES)}
    ordered = {name: estimates[name] for name in PREDICTORS}
    return Scores(len(rows), len(members), ordered, {name: wins[name] for name in PREDICTORS if name != LAW})


def _measured(
    forecast: Forecast, grokked: np.ndarray, steps: np.ndarray, chosen: np.ndarray
) -> tuple[float, float, float, float]:
    probability, seen = forecast.probability[chosen], grokked[chosen]
    both = chosen[seen & ~np.isnan(forecast.steps[chosen])]
    return (
        scores.auc(forecast.order[chosen], seen),
        scores.accuracy(probability, seen),
        scores.log_loss(probability, seen),
        scores.step_factor(forecast.steps[both], steps[both]),
    )


def _interval(samples: Float64[np.ndarray, " resamples"]) -> tuple[float, float]:
    there = samples[~np.isnan(samples)]
    if not len(there):
        return math.nan, math.nan
    low, high = np.quantile(there, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _share_above(ours: Float64[np.ndarray, " resamples"], theirs: Float64[np.ndarray, " resamples"]) -> float:
    both = ~np.isnan(ours) & ~np.isnan(theirs)
    return float((ours[both] > theirs[both]).mean()) if both.any() else math.nan
