"""How runs ended, one row each: a table for experiments whose run folders are too many to publish (paper Table 5).

A table is one parquet file beside the published run folders, named after its experiment. A row has what a reader needs
to judge a run and to train it again: its config in canonical JSON, whose hash names it, when it grokked, its
accuracies, losses and measures at the end, and where and when it was trained. It has no history and no spectra.

A row that is there stays as it is, until the run has gone on for more steps.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from grokbook.errors import DamagedRun
from grokbook.runs import disk
from grokbook.runs.config import RunConfig, canonical, config_in
from grokbook.runs.grokking import ending
from grokbook.runs.history import OUTCOMES, limits, measured
from grokbook.runs.run import Run
from grokbook.runs.run import read as read_run
from grokbook.runs.store import FolderStore

REPEATS = "repeats"
"""The table of further trainings of runs, see :mod:`grokbook.runs.repeats`."""
FINAL = (*OUTCOMES, "weight_norm")
"""Columns of a run's history whose last values every row has, as ``final_…``; besides, it has those of measures."""
FACTS = (
    *("stopped", "started", "wall_seconds", "device", "threads", "stacked"),
    *("platform", "python", "torch", "numpy", "grokbook", "commit"),
)
"""What a row has of a run's provenance. ``stacked``: how many runs were trained together; they share their time."""
_OF_CONFIG = ("hash", "name", "operation", "module", "source", "p", "fraction", "seed", "max_steps")
_RESULTS = ("steps", "fit_step", "grok_step", "best_test_accuracy")
_WHOLE = ("p", "seed", "max_steps", "steps", "fit_step", "grok_step", "threads", "stacked")
_FLOATS = ("fraction", "best_test_accuracy", "wall_seconds")
_MAY_BE_EMPTY = ("module", "source", "fit_step", "grok_step", *FACTS)


def schema(measures: Iterable[str]) -> pa.Schema:
    """The columns of a table, with these measures of layers among them.

    ``module`` and ``source`` are empty for a run from scratch; ``config`` is canonical JSON.
    """
    final = [f"final_{name}" for name in (*OUTCOMES, *measures, "weight_norm")]
    kinds = dict.fromkeys((*_OF_CONFIG, *_RESULTS, *final, *FACTS, "config"), pa.string())
    kinds |= dict.fromkeys(_WHOLE, pa.int64()) | dict.fromkeys((*_FLOATS, *final), pa.float64())
    return pa.schema(pa.field(name, kind, name in (*_MAY_BE_EMPTY, *final)) for name, kind in kinds.items())


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended."""

    config: RunConfig
    steps: int
    """Steps trained."""
    fit_step: int | None
    """First evaluated step with a train accuracy of ``grok_accuracy``: where the train set is known."""
    grok_step: int | None
    """See :attr:`grokbook.Run.grok_step`."""
    best_test_accuracy: float
    """Highest test accuracy at any evaluation, as a share."""
    final: Mapping[str, float]
    """The values of :data:`FINAL` and of the measures at the end; losses in nats, accuracies as shares."""
    facts: Mapping[str, Any]
    """The values of :data:`FACTS`; None for what the provenance does not say."""

    @classmethod
    def of(cls, run: Run) -> Outcome:
        """That of a run."""
        history = run.history
        fits = np.flatnonzero(history["train_accuracy"].to_numpy() >= np.float32(run.config.grok_accuracy))
        return cls(
            config=run.config,
            steps=run.steps,
            fit_step=int(history["step"].iloc[fits[0]]) if len(fits) else None,
            grok_step=run.grok_step,
            best_test_accuracy=run.best_test_accuracy,
            final={name: float(history[name].iloc[-1]) for name in (*FINAL, *measured()) if name in history},
            facts={name: run.provenance.get(name) for name in FACTS},
        )

    def to_row(self) -> dict[str, Any]:
        """Plain values for the columns of :func:`schema`."""
        results = {name: getattr(self, name) for name in _RESULTS}
        final = {f"final_{name}": value for name, value in self.final.items()}
        return {**_names(self.config), **results, **final, **self.facts}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Outcome:
        """Inverse of :meth:`to_row`. ``ValueError`` where the config does not read, or the row is not of that run."""
        try:
            config = RunConfig.from_dict(json.loads(row["config"]))
        except (TypeError, AttributeError) as error:
            raise ValueError(f"unreadable config ({error})") from error
        for name, value in _names(config).items():
            if row[name] != value:
                raise ValueError(f"its config has {name} {value}")
        measures = [name for name in _measures_in(row) if row[f"final_{name}"] is not None]
        final = {name: row[f"final_{name}"] for name in (*FINAL, *measures)}
        facts = {name: row[name] for name in FACTS}
        return cls(config=config, **{name: row[name] for name in _RESULTS}, final=final, facts=facts)

    def same_training(self, other: Outcome) -> bool:
        """Whether the two tell of one training of a run, perhaps up to different ends, and not of two trainings."""
        return self.config.hash == other.config.hash and self.facts["started"] == other.facts["started"]


def _measures_in(columns: Iterable[str]) -> list[str]:
    final = (name.removeprefix("final_") for name in columns if name.startswith("final_"))
    return [name for name in final if name not in FINAL]


def _names(config: RunConfig) -> dict[str, Any]:
    """What a row says of its config, in columns of its own besides the whole of it."""
    texts = {"operation": config.learned, "source": None if config.source is None else config.source.learned}
    texts["config"] = canonical(config.to_dict())
    return {name: texts[name] if name in texts else getattr(config, name) for name in (*_OF_CONFIG, "config")}


def differences(one: Outcome, other: Outcome) -> list[str]:
    """The columns in which two outcomes are not the same, to the last bit; a measure that one lacks is none."""
    its = other.to_row()
    both = [(name, x, its[name]) for name, x in one.to_row().items() if name in its]
    return [name for name, x, y in both if x != y and (x == x or y == y)]  # NaN is not itself


def problems(outcome: Outcome) -> list[str]:
    """What in a row contradicts itself, or cannot be; empty when all is well."""
    config, grok_step = outcome.config, outcome.grok_step
    found = [
        f"{name} is {value}"
        for name, value in {"best_test_accuracy": outcome.best_test_accuracy, **outcome.final}.items()
        if value is None or not (math.isfinite(value) and limits(name)[0] <= value <= limits(name)[1])
    ]
    if outcome.best_test_accuracy < (outcome.final["test_accuracy"] or 0):
        found.append("the best test accuracy is below the last one")
    if outcome.steps != (end := ending(config, grok_step)):
        found.append(f"the run ends at step {outcome.steps}, not at {end}")
    if grok_step is not None and (outcome.fit_step is None or outcome.fit_step > grok_step):
        found.append("it groks before it knows its train set")
    if grok_step is not None and np.float32(outcome.best_test_accuracy) < np.float32(config.grok_accuracy):
        found.append("it groks, and its test accuracy never gets there")
    return found


def read(path: Path) -> list[Outcome]:
    """The rows of a table, sorted by name; a file that is not there has none.

    A config has one row, and in a table of repeats one per training. ``DamagedRun``: it is no such table, its
    checksums or types are wrong, or a row is not what its config is.
    """
    if not path.exists():
        return []
    try:
        table = pq.read_table(path, page_checksum_verification=True, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise DamagedRun(f"{path}: unreadable ({error}); restore the file") from error
    if not table.schema.equals(schema(_measures_in(table.schema.names))):
        raise DamagedRun(f"{path}: its columns are not those of a table of outcomes; restore the file")
    found: dict[tuple[Any, ...], Outcome] = {}
    for row in table.to_pylist():
        try:
            outcome = Outcome.from_row(row)
        except ValueError as error:
            raise DamagedRun(f"{path}: row {row['name']}: {error}; restore the file") from error
        key = outcome.config.hash, outcome.facts["started"] if path.stem == REPEATS else None
        if key in found:
            raise DamagedRun(f"{path}: row {row['name']} is there twice; restore the file")
        found[key] = outcome
    return _in_order(found.values())


def write(outcomes: Iterable[Outcome], path: Path) -> None:
    """Write a table, whole or not at all; the same rows give the same bytes. ``OSError`` if it cannot be written."""
    rows = [outcome.to_row() for outcome in _in_order(outcomes)]
    measures = dict.fromkeys(name for row in rows for name in _measures_in(row))
    table = pa.Table.from_pylist(rows, schema=schema(measures))
    with disk.replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)


def merge(known: Iterable[Outcome], found: Iterable[Outcome]) -> list[Outcome]:
    """Add outcomes to those that are known, sorted by name: one of each run.

    Of two trainings the known one stays, unless the other had more steps and does not contradict it: to choose
    among trainings by how they ended would favour grokking (:mod:`grokbook.runs.repeats`). ``ValueError``: two
    outcomes tell of one training, equally long, and differ; the message names the run.
    """
    rows: dict[str, Outcome] = {}
    for outcome in (*known, *found):
        there = rows.setdefault(outcome.config.hash, outcome)
        if there.steps == outcome.steps and there.same_training(outcome) and (names := differences(there, outcome)):
            raise ValueError(
                f"{outcome.config.label} ({outcome.config.name}) is known with another {', '.join(names[:3])}"
                f"{' and more' if len(names) > 3 else ''}; rows are not changed: restore the run, or the table"
            )
        if outcome.steps > there.steps and not disagree([there, outcome]):
            rows[outcome.config.hash] = outcome
    return _in_order(rows.values())


def disagree(trainings: Sequence[Outcome]) -> bool:
    """Whether one groks by a step that another reaches without having grokked, and goes on long enough to tell."""
    first = min((each.grok_step for each in trainings if each.grok_step is not None), default=math.inf)
    return any(each.grok_step is None and first + each.config.sustain <= each.steps for each in trainings)


def _in_order(outcomes: Iterable[Outcome]) -> list[Outcome]:
    return sorted(outcomes, key=lambda outcome: (outcome.config.name, str(outcome.facts["started"])))


def table_path(folder: Path, name: str) -> Path:
    """Where the table of an experiment is in a folder of runs."""
    return folder / f"{name}.parquet"


def tables(folders: FolderStore) -> list[Path]:
    """All tables of outcomes beside run folders: those of experiments, and of repeats.

    Their names have no dots; those of tables about one run have.
    """
    return [path for path in folders.tables() if "." not in path.stem]


def published(folders: FolderStore, name: str) -> list[Outcome]:
    """The rows of all tables of a name, beside published runs and one's own. Errors as :func:`read` has them."""
    return [row for place in folders.places for row in read(table_path(place, name))]


def stored(folders: FolderStore, configs: Iterable[RunConfig]) -> Iterator[Outcome]:
    """Outcomes of the stored runs that are like one of these configs but for seed and end, judged by its rule.

    ``DamagedRun``: a folder cannot be read.
    """
    wanted = {config.with_seed(0).hash: config for config in configs}
    for folder in folders.folders():
        config = config_in(folder)
        if config is None:
            yield Outcome.of(read_run(folder))  # which says what is wrong with it
        elif (like := wanted.get(config.with_seed(0).hash)) is not None:
            yield Outcome.of(read_run(folder).judged_by(like))


def gather(folders: FolderStore, names: str | Iterable[str], configs: Iterable[RunConfig]) -> list[Outcome]:
    """All that is known of experiments: the rows of the tables of their names, and the stored runs that these lack.

    Other seeds and ends of the configs count, too.
    """
    tables = [names] if isinstance(names, str) else dict.fromkeys(names)
    return merge((row for name in tables for row in published(folders, name)), stored(folders, configs))


def unknown(configs: Iterable[RunConfig], known: Iterable[Outcome]) -> list[RunConfig]:
    """Those of some runs of whose ends nothing tells, each once.

    An outcome tells of a run if that has grokked or had at least as many steps.
    """
    told = defaultdict[tuple[str, object], list[float]](lambda: [0])
    for each in known:
        steps = math.inf if each.grok_step is not None else each.config.max_steps
        told[each.config.hash, each.config.rule].append(steps)
    return [config for config in dict.fromkeys(configs) if max(told[config.hash, config.rule]) < config.max_steps]
