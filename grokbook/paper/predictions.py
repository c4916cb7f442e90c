"""What was predicted before it was trained: sets of runs, each with a file that was committed before its first run.

A file has the law it was made with, and what that says of each run; :func:`made` makes it, and::

    python -m grokbook.paper.predictions law A B

writes files, the law's first. A file that is there stays: the git history is the witness of what came first.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from grokbook.analysis import grok_law, isomorphisms, prediction
from grokbook.analysis.flatness import is_flat
from grokbook.analysis.waves import Correlation, correlation
from grokbook.data.operations import Polynomial
from grokbook.model.registry import MODELS
from grokbook.paper.configs import SHORT_TAIL, is_plain
from grokbook.paper.experiments import EXPERIMENTS
from grokbook.runs import outcomes, provenance
from grokbook.runs.config import RunConfig
from grokbook.runs.disk import replacing
from grokbook.runs.outcomes import Outcome
from grokbook.runs.run import read
from grokbook.runs.store import FolderStore, default_folders


class PredictionSet(NamedTuple):
    """Runs whose ends are predicted together."""

    question: str
    against: str
    """What outcome would count against the law."""
    experiments: tuple[str, ...]
    """Keys of :data:`grokbook.paper.experiments.EXPERIMENTS`."""

    def configs(self) -> list[RunConfig]:
        """The runs, with the shortest tail: how a run ends is all that is asked."""
        found = [config for name in self.experiments for config in EXPERIMENTS[name].configs()]
        return [replace(config, tail=SHORT_TAIL) for config in found]


SETS: Final[Mapping[str, PredictionSet]] = {
    "A": PredictionSet(
        "Does the law hold for polynomials that nobody has trained, at a modulus where it knows few runs?",
        "An AUC below 0.95, a median step factor above 2, or an AUC no better than that of being flat.",
        ("unseen-operations",),
    ),
    "B": PredictionSet(
        "Does it say at which fraction the operations of Table 5 begin to grok?",
        "An AUC below 0.95 or a median step factor above 2; that 2a±b and ab±b do not grok with r = 0.5; that (a+b)³ "
        "does not grok with r = 0.5; that (a−b)³ does with r = 0.5.",
        ("unseen-fractions",),
    ),
    "C": PredictionSet(
        "Is gcd(n, p−1) all that matters of the power n in (a+b)ⁿ, at other primes?",
        "Two powers with the same gcd at one prime of which one groks and the other does not; that a²+ab+b² groks with "
        "r = 0.5.",
        ("unseen-primes", "unseen-primes-quadratic"),
    ),
    "D-control": PredictionSet(
        "Does a+b grok when a and b have embeddings of their own, as late as an operation with ρ_sym = 1/√2 does with "
        "one embedding?",
        "A median step outside the interval of 80 % at two of the three fractions.",
        ("separate-control",),
    ),
    "D": PredictionSet(
        "With an embedding for each operand, are a−b, 2a±b and 2a±3b the same problem as a+b, and ab±b as a·b? Does ρ "
        "order the others, and not ρ_sym?",
        "A permutation test (p < 0.01) that tells their grok steps from those of a+b and a·b; that a²±b or a³±2b grok "
        "with none of three seeds, where a+b does with two; that (a+b)⁶, a²+ab+b², a²+ab+b²+a, a³+ab or a³+ab²+b grok "
        "with two; a share of cosines in W_L of a−b that stays above 0.64 with all seeds, the least there is with one "
        "embedding.",
        ("separate-embeddings",),
    ),
    "E": PredictionSet(
        "Does the correlation order what a two-layer perceptron groks, too? It has a matrix for a and one for b, so ρ "
        "counts, not ρ_sym. The law was fitted to transformers: only its order is asked for, not its steps.",
        "An AUC below 0.9.",
        ("unseen-mlp",),
    ),
}
"""The sets by name."""


def path(name: str) -> Path:
    """The file of a set, or of the ``law``."""
    return Path(prediction.__file__).parent / "predictions" / f"{name}.json"


def published(name: str) -> dict[str, Any]:
    """What the file of a set, or of the ``law``, says. ``FileNotFoundError`` where there is none yet."""
    return json.loads(path(name).read_text(encoding="utf-8"))


def known(folders: FolderStore) -> list[Outcome]:
    """The outcomes that a law is fitted on: those of Table 5, and of all published runs."""
    there = [folder for folder in folders.folders() if folder.parent in folders.published]
    table = outcomes.published(folders, "summary-grid")
    return outcomes.merge(table, (Outcome.of(read(folder)) for folder in there))


def cases(ends: Iterable[Outcome]) -> list[tuple[RunConfig, grok_law.Case]]:
    """The runs a law is fitted on, with their configs: one polynomial from scratch, trained as the paper trains.

    Other outcomes are passed over.
    """
    found = []
    for outcome in ends:
        config = outcome.config
        (operation, *_) = config.parsed_operations
        if isinstance(operation, Polynomial) and config.model == RunConfig.model and is_plain(config):
            rho = round(_waves(operation, config.p).symmetric.value, 4)
            steps = outcome.steps if outcome.grok_step is None else outcome.grok_step
            seen = grok_law.pairs(config.p, config.fraction)
            found.append((config, grok_law.Case(rho, seen, config.fraction, steps, outcome.grok_step is not None)))
    return found


@cache
def _waves(operation: Polynomial, p: int) -> Correlation:
    """The correlation of an operation, computed once for all runs on it."""
    return correlation(operation, p)


def law(ends: Iterable[Outcome]) -> dict[str, Any]:
    """The law that fits some outcomes, with what it was fitted to, as plain values for JSON."""
    found = cases(ends)
    classes = isomorphisms.classes(sorted({config.learned for config, _ in found}), RunConfig.p)
    number = {str(each): k for k, members in enumerate(classes) for each in members}
    fitted = grok_law.fit([case for _, case in found])
    rows = [
        {
            "run": config.name,
            "operation": config.learned,
            "class": number[config.learned],
            "p": config.p,
            "fraction": config.fraction,
            "seed": config.seed,
            "rho": case.rho,
            "steps": case.steps,
            "grokked": case.grokked,
        }
        for config, case in found
    ]
    rounded = {name: float(f"{value:.4g}") for name, value in fitted._asdict().items()}
    return {"law": rounded, "cases": rows}


def cases_in(kept: Mapping[str, Any]) -> list[grok_law.Case]:
    """The cases of a law's file."""
    return [
        grok_law.Case(
            *(row["rho"], grok_law.pairs(row["p"], row["fraction"]), row["fraction"], row["steps"], row["grokked"])
        )
        for row in kept["cases"]
    ]


def made(name: str, ends: Sequence[Outcome]) -> dict[str, Any]:
    """What is predicted for each run of a set, as plain values for JSON.

    Args:
        name: a key of :data:`SETS`.
        ends: what is known: these runs are left out, and pre-grokked runs are predicted from those of their task.
    """
    chosen = SETS[name]
    seen = {outcome.config.hash for outcome in ends}
    rows = [
        _from_scratch(config) if config.source is None else _pre_grokked(config, ends)
        for config in chosen.configs()
        if config.hash not in seen
    ]
    says = {"set": name, "question": chosen.question, "against": chosen.against}
    return {**says, "law": prediction.published_law()._asdict(), "runs": rows}


def _named(config: RunConfig) -> dict[str, Any]:
    fields = {name: getattr(config, name) for name in ("model", "module", "p", "fraction", "seed")}
    return {"run": config.name, "operation": config.learned, **fields, "budget": config.max_steps}


def _from_scratch(config: RunConfig) -> dict[str, Any]:
    """What the law says of a run, by ρ_sym where the model has one embedding, and by ρ where it has two."""
    (operation,) = config.parsed_operations
    assert isinstance(operation, Polynomial)
    waves = _waves(operation, config.p)
    best = waves.symmetric if MODELS[config.model].one_embedding else waves.free
    at = best.value, grok_law.pairs(config.p, config.fraction, config.model), config.fraction
    says = prediction.published_law()
    return {
        **_named(config),
        "flat": is_flat(operation, config.p),
        "symmetric": operation.symmetric,
        "rho": round(waves.free.value, 4),
        "rho_sym": round(waves.symmetric.value, 4),
        "converged": waves.free.converged and waves.symmetric.converged,
        **_says(says.probability(*at, config.max_steps), says.steps(*at), says.interval(*at)),
    }


def _says(probability: float, steps: float, interval: tuple[float, float]) -> dict[str, Any]:
    return {
        "probability": round(probability, 4),
        "steps": float(f"{steps:.4g}"),
        "interval": [float(f"{step:.4g}") for step in interval],
    }


SURE: Final = 0.95
"""The probability with which a pre-grokked run is said to do what it does at the fractions around."""


def _pre_grokked(config: RunConfig, ends: Sequence[Outcome]) -> dict[str, Any]:
    """What outcomes at the next fractions below and above say of a pre-grokked run: the law knows nothing of modules.

    The grok step is a power of r between them, off by the law's spread.
    """
    own = [each for each in ends if each.config.fraction != config.fraction and _like(each.config, config)]
    below = max((each for each in own if each.config.fraction < config.fraction), key=_fraction, default=None)
    above = min((each for each in own if each.config.fraction > config.fraction), key=_fraction, default=None)
    if below is None or above is None or below.grok_step is None or above.grok_step is None:
        raise ValueError(f"nothing is said of {config.label}: it is not known to grok at the fractions around")
    share = math.log(config.fraction / _fraction(below)) / math.log(_fraction(above) / _fraction(below))
    steps = below.grok_step ** (1 - share) * above.grok_step**share
    factor = prediction.published_law().factor
    return {**_named(config), **_says(SURE, steps, (steps / factor, steps * factor))}


def _fraction(outcome: Outcome) -> float:
    return outcome.config.fraction


def _like(one: RunConfig, other: RunConfig) -> bool:
    return replace(one, fraction=other.fraction).hash == other.hash


def write(names: Iterable[str]) -> None:
    """Write the files of sets, or of the ``law``. ``FileExistsError`` if one is there."""
    ends = known(default_folders())
    code = {"grokbook": provenance.version(), "commit": provenance.commit()}
    for name in names:
        if path(name).exists():
            raise FileExistsError(f"{path(name)} is there: a prediction is made once")
        content = code | (law(ends) if name == "law" else made(name, ends))
        with replacing(path(name)) as temporary:
            temporary.write_text(_lines(content), encoding="utf-8")
        print(f"{path(name)}: written")


def _lines(content: Mapping[str, Any]) -> str:
    """JSON with one line for each row of a list, so that a change shows."""

    def value(it: Any) -> str:
        if isinstance(it, list):
            return "[\n" + ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in it) + "\n ]"
        return json.dumps(it, ensure_ascii=False)

    return "{\n" + ",\n".join(f' "{key}": {value(it)}' for key, it in content.items()) + "\n}\n"


if __name__ == "__main__":
    write(sys.argv[1:])
