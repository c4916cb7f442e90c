"""What defines a training run: a frozen record of plain values, and the hash that names it."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from grokbook.data import tokens
from grokbook.data.operations import Operation, Polynomial, Table
from grokbook.model import names, registry
from grokbook.model.names import EMBEDDING
from grokbook.runs.disk import read_json
from grokbook.runs.layout import CONFIG

_ALWAYS = ("operations", "p", "fraction", "seed")  # in every hash, whatever their defaults
ENDING = ("max_steps", "grok_accuracy", "sustain", "tail")
"""Fields that say where one stops looking. They decide no weight before, and are no part of a run's name."""


@dataclass(frozen=True, kw_only=True, repr=False)
class RunConfig:
    """Which training run, and how far to look at it.

    A run is its trajectory: all that decides its weights at a step gives it its :attr:`name`. Budget, tail and the rule
    of grokking (:data:`ENDING`) do not; a stored run that went further answers a config that asks for less. Of a source
    they do count, since its last weights are what is taken.

    Defaults are the paper's Table 2. Bad values raise ``ValueError`` (wrong types ``TypeError``) at construction.
    """

    operations: tuple[str | Operation, ...]
    """One operation, or several for a multi-task mixture (paper §5.3): expressions, kept in canonical form, or tables.
    ``parsed_operations`` has all of them as operations."""
    p: int = 97
    """Prime modulus, at least 3."""
    fraction: float = 0.3
    """Share r of all pairs that is trained on; the first ⌊r·p²⌋ of a seeded shuffle."""
    seed: int = 0
    """Seeds the split and the initial weights (see ``grokbook.runs.initial.INIT_STREAM``)."""
    operands: str = "residues"
    """"residues": a and b run over 0..p−1 (the paper); "vocab": over 0..p+4 (the released code)."""
    model: str = "transformer"
    """A name in :data:`grokbook.model.MODELS`: "transformer" (the paper), "separate" embeddings of a and b, "mlp"."""
    activation: str = "relu"
    """What a neuron does with its input x: "relu" (the paper) or "quadratic", x²."""
    d_model: int = 128
    n_heads: int = 4
    d_mlp: int = 512
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 1.0
    max_steps: int = 300_000
    """Step budget; a run that has grokked stops earlier."""
    grok_accuracy: float = 0.99
    """Test accuracy that counts as grokked once it lasts for ``sustain`` steps."""
    sustain: int = 1000
    tail: int = 5000
    """Steps trained beyond the grok step, to see the clean-up phase."""
    eval_every: int = 100
    """Evaluate at every multiple of this, besides a log-spaced schedule."""
    source: RunConfig | None = None
    """Pre-grokked run (paper §4) whose final weights named in ``transplant`` replace the fresh ones."""
    transplant: tuple[str, ...] = ()
    """Weight names taken from ``source`` and frozen: ("W_E",) for PG-E, attention and MLP for PG-T."""
    frozen: tuple[str, ...] = ()
    """Weight names kept at their initial values (Appendix F: ("W_E",)). Frozen weights get no decay."""

    def __post_init__(self) -> None:
        set_ = object.__setattr__  # the instance is frozen; this is its only moment of change
        for name in ("operations", "betas", "transplant", "frozen"):
            value = getattr(self, name)
            if isinstance(value, str) or not isinstance(value, Sequence):
                raise TypeError(f"{name} must be a sequence, got {value!r}")
            set_(self, name, tuple(value))
        set_(self, "operations", as_kept(self.operations))
        registry.check(self.model, self.activation)
        weights = self.model_entry.weights
        for name in ("transplant", "frozen"):  # sets of names: one order, so that equal runs have equal hashes
            chosen = getattr(self, name)
            if unknown := [weight for weight in chosen if weight not in weights]:
                raise ValueError(f"unknown weight {unknown[0]!r}; there are {', '.join(weights)}")
            set_(self, name, tuple(weight for weight in weights if weight in chosen))
        for field in fields(self):
            if field.type in _NUMBERS:
                set_(self, field.name, _NUMBERS[field.type](field.name, getattr(self, field.name)))
        set_(self, "betas", tuple(_number("each of betas", beta) for beta in self.betas))
        if not isinstance(self.source, RunConfig | None):
            raise TypeError(f"source must be a RunConfig, got {self.source!r}")
        tokens.check(self.parsed_operations, self.p, self.fraction, self.seed, self.operands)
        for problem in self._problems():
            raise ValueError(problem)

    def __repr__(self) -> str:
        """The call that makes it, with what differs from the defaults."""
        return f"RunConfig({', '.join(f'{name}={value!r}' for name, value in self._told())})"

    def _problems(self) -> Iterator[str]:
        """What makes it no run, the first thing first."""
        entry, source, sizes = self.model_entry, self.source, ("d_model", "n_heads", "d_mlp")
        for name in ("max_steps", *sizes, "sustain", "tail", "eval_every"):
            if getattr(self, name) < 1:
                yield f"{name} must be at least 1, got {getattr(self, name)}"
        pair = len(self.betas) == 2 and all(0 <= beta < 1 for beta in self.betas)
        model, operands = f"model {self.model!r}", " or ".join(entry.operands)
        twice = set(self.transplant) & set(self.frozen)
        wrong = {
            f"d_model = {self.d_model} is not a multiple of n_heads = {self.n_heads}": self.d_model % self.n_heads,
            f"lr must be positive, got {self.lr}": not 0 < self.lr < math.inf,
            f"weight_decay must not be negative, got {self.weight_decay}": not 0 <= self.weight_decay < math.inf,
            f"betas must be two numbers in [0, 1), got {self.betas}": not pair,
            f"grok_accuracy must lie in (0, 1], got {self.grok_accuracy}": not 0 < self.grok_accuracy <= 1,
            "transplanted weights are frozen already; name them in transplant only": twice,
            "with all weights frozen, nothing is left to train": self.frozen_weights == entry.weights,
            f"{model} learns one operation: it reads no operation token": self.operations[1:] and not entry.mixtures,
            f"{model} takes operands {operands}, not {self.operands}": self.operands not in entry.operands,
            "source and transplant go together": (source is None) != (not self.transplant),
        }
        yield from (problem for problem, holds in wrong.items() if holds)
        for name in sizes:
            if name not in entry.sizes and getattr(self, name) != getattr(RunConfig, name):
                yield f"{model} has no {name}; its sizes are {', '.join(entry.sizes)}"
        if source is not None:
            for name in ("p", "model", "activation", *sizes):
                if getattr(source, name) != getattr(self, name):
                    yield f"the source run differs in {name}"
            if source.d_vocab != self.d_vocab:
                yield f"the source run has {source.d_vocab} tokens, this run {self.d_vocab}"

    @cached_property
    def parsed_operations(self) -> tuple[Operation, ...]:
        """The operations themselves, in their order."""
        return tuple(map(Operation.of, self.operations))

    @property
    def model_entry(self) -> registry.Entry:
        """What is known of the model without its code."""
        return registry.MODELS[self.model]

    @property
    def d_vocab(self) -> int:
        """Tokens of the vocabulary: residues, ``=`` and signs, and one for each further polynomial of a mixture."""
        return tokens.d_vocab(self.parsed_operations, self.p, self.model_entry.own_tokens_of_b)

    @property
    def frozen_weights(self) -> tuple[str, ...]:
        """All weights that do not train, in the order of ``Weights``."""
        return tuple(name for name in self.model_entry.weights if name in (*self.transplant, *self.frozen))

    @property
    def module(self) -> str | None:
        """The paper's name of what is taken from the source, or those of its weights; None from scratch."""
        return None if self.source is None else names.name_of(self.transplant)

    @property
    def learned(self) -> str:
        """The operations in one text: "a+b", or "a+b, ab" for a mixture."""
        return ", ".join(map(str, self.operations))

    @property
    def task(self) -> str:
        """What is learned, and from which module on: "a+b", "PG-E a+b → 2a+b", "a+b [operands vocab]".

        In brackets stands what tells it from the paper's usual runs on the same operations.
        """
        text = self.learned
        if self.source is not None:
            seed = f"seed {self.source.seed}" if self.source.seed != self.seed else ""
            fraction = f"r={self.source.fraction:g}" if self.source.fraction != self.fraction else ""
            other = ", ".join(filter(None, (seed, fraction)))
            text = f"{self.module} {self.source.learned}{f' ({other})' if other else ''} → {text}"
        return f"{text} [{', '.join(self.unusual)}]" if self.unusual else text

    @property
    def unusual(self) -> list[str]:
        """In what a run differs from the paper's usual ones, its source aside: "no weight decay", "operands vocab"."""
        texts = {
            "model": self.model_entry.title,
            "activation": f"{self.activation} activation",
            "frozen": f"frozen {'random embedding' if self.frozen == EMBEDDING else ', '.join(self.frozen)}",
            "weight_decay": f"weight decay {self.weight_decay:g}" if self.weight_decay else "no weight decay",
            "operands": f"operands {self.operands}",
        }
        return [text for name, text in texts.items() if getattr(self, name) != getattr(RunConfig, name)]

    @property
    def label(self) -> str:
        """A short readable description, for messages and plots."""
        return f"{self.task} (p={self.p}, r={self.fraction:g}, seed {self.seed})"

    def to_dict(self) -> dict[str, Any]:
        """Canonical plain values: fields at their default are left out, so a new field keeps old hashes."""
        kept = {name: list(value) if isinstance(value, tuple) else value for name, value in self._told()}
        kept["operations"] = [operation.plain for operation in self.parsed_operations]
        if self.source is not None:
            kept["source"] = self.source.to_dict()
        return kept

    def _told(self) -> Iterator[tuple[str, Any]]:
        """The fields that differ from their defaults, and those that are always told."""
        for field in fields(self):
            if (value := getattr(self, field.name)) != field.default or field.name in _ALWAYS:
                yield field.name, value

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunConfig:
        """Inverse of :meth:`to_dict`; ``ValueError`` for unknown fields, numbers beyond all, and endless sources."""
        try:
            return cls._from_dict(values)
        except OverflowError as error:
            raise ValueError(f"a number is too large ({error})") from error
        except RecursionError as error:
            raise ValueError("its sources are nested too deep") from error

    @classmethod
    def _from_dict(cls, values: Mapping[str, Any]) -> RunConfig:
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise ValueError(f"unknown fields in a config: {', '.join(sorted(unknown))}")
        kept = dict(values)
        if kept.get("source") is not None:
            kept["source"] = cls._from_dict(kept["source"])
        return cls(**kept)

    @cached_property
    def hash(self) -> str:
        """First 16 hex digits of a SHA-256: of all that decides the weights at a step, and so the same for any end."""
        return _digest({name: value for name, value in self.to_dict().items() if name not in ENDING})

    @cached_property
    def name(self) -> str:
        """Name of the run in a store: a readable beginning, then the hash."""
        return self._named(self.hash)

    @cached_property
    def former_name(self) -> str:
        """The name with the end counted in: what runs were called once, and what states of runs in progress are."""
        return self._named(_digest(self.to_dict()))

    def _named(self, digest: str) -> str:
        named = (f"{op.name}-{op.digest[:8]}" if isinstance(op, Table) else str(op) for op in self.parsed_operations)
        readable = "_".join(re.sub(r"[^0-9A-Za-z+^()-]", "", text) for text in named)
        readable = re.sub(r"^-", "0-", readable)  # a name that begins with a minus reads as an option
        kind = "-pg" if self.source is not None else ""
        return f"{readable[:40]}-p{self.p}-r{self.fraction:g}-s{self.seed}{kind}-{digest}"

    @property
    def rule(self) -> tuple[float, int]:
        """When a run counts as grokked: test accuracy, and for how many steps it has to last."""
        return self.grok_accuracy, self.sustain

    def with_seed(self, seed: int) -> RunConfig:
        """The same experiment with another seed; a source that has the run's seed gets it, too."""
        source = self.source
        if source is not None and source.seed == self.seed:
            source = source.with_seed(seed)
        return replace(self, seed=seed, source=source)


def config_in(folder: Path) -> RunConfig | None:
    """The config in a run's folder; None where there is none that reads: whoever reads the run is told."""
    try:
        return RunConfig.from_dict(read_json(folder / CONFIG))
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def as_kept(operations: Iterable[Any]) -> tuple[str | Operation, ...]:
    """Operations as a config keeps them: the canonical names of polynomials, and tables as they are."""
    parsed = map(Operation.of, operations)
    return tuple(str(each) if isinstance(each, Polynomial) else each for each in parsed)


def canonical(values: Mapping[str, Any]) -> str:
    """Plain values as JSON text, the same for equal values."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def merged(configs: Iterable[RunConfig]) -> list[RunConfig]:
    """Each run once, asked for as far as any of these configs does; where rules of grokking differ, once for each."""
    found: dict[tuple[object, ...], RunConfig] = {}
    for config in configs:
        known = found.setdefault((config.name, config.rule), config)
        most = {field: max(getattr(known, field), getattr(config, field)) for field in ("max_steps", "tail")}
        found[config.name, config.rule] = replace(known, **most)
    return list(found.values())


def _digest(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(values).encode()).hexdigest()[:16]


def _whole(name: str, value: Any) -> int:
    """A whole number as an int, whatever type it has; 97.0 counts, True does not."""
    is_whole = value.is_integer() if isinstance(value, float) else isinstance(value, Integral)
    if is_whole and not isinstance(value, bool):
        return int(value)
    raise TypeError(f"{name} must be a whole number, got {value!r}")


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    return float(value)


_NUMBERS = {"int": _whole, "float": _number}


def lacking(
    configs: Iterable[RunConfig], have: Container[RunConfig], have_source: Container[RunConfig] | None = None
) -> list[RunConfig]:
    """Those that one does not ``have``, each once, and before each what it starts from, if that is lacking, too.

    Where not everything that one has can be started from, ``have_source`` says what can.
    """
    sources = have if have_source is None else have_source
    found: dict[RunConfig, None] = {}
    for config in configs:
        if config not in have:
            source = [] if config.source is None else lacking([config.source], sources)
            found |= dict.fromkeys([*source, config])
    return list(found)
