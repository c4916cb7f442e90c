"""The experiments by name: which runs each of them consists of, and where the paper shows it.

The paper's come first, then our own: those whose outcomes were predicted (:mod:`grokbook.paper.predictions`).
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

from grokbook.analysis import unseen
from grokbook.data.catalogue import CATALOGUE
from grokbook.model.names import EMBEDDING, MODULES
from grokbook.paper.configs import (
    ELEMENTARY,
    FRACTIONS,
    QUADRATICS_AND_CUBICS,
    Transfer,
    ending_tail,
    mixture,
    pre_grokked,
    single,
)
from grokbook.runs.config import RunConfig

POWERS = tuple(f"a^{n}+b^{n}" for n in range(2, 8))
SUMS = tuple(f"(a+b)^{n}" for n in range(2, 8))
SCALED = ("2a+b", "2a-b", "2a+3b", "2a-3b")
NOT_FACTORIZABLE = ("a^2+ab+b^2", "a^2+ab+b^2+a", "a^3+ab", "a^3+ab^2+b")
FACTORIZABLE = ("(a+b)^2", "(a+b)^3", "(a+b)^4", "(a-b)^2", "(a-b)^3", "(a-b)^4", "(a+b)^2+a+b")


class Experiment(NamedTuple):
    """An experiment: its tasks, each of them at every modulus, fraction and seed.

    One without tasks takes no training.
    """

    where: str
    """Figures, tables and sections of the paper; of our own experiments, the set of predictions."""
    from_scratch: tuple[str, ...] = ()
    mixtures: tuple[tuple[str, ...], ...] = ()
    transfers: tuple[Transfer, ...] = ()
    random_embedding: tuple[str, ...] = ()
    """Operations trained with a frozen random embedding."""
    all_tokens: tuple[str, ...] = ()
    """Operations trained on all token ids, as in the released code."""
    moduli: tuple[int, ...] = (97,)
    fractions: tuple[float, ...] = (0.3,)
    seeds: tuple[int, ...] = (0, 1, 2)
    endings: bool = False
    """Nothing but how its runs end is shown: a row of its table stands for a run
    (:func:`grokbook.runs.outcomes.unknown`), and where steps cost much, above
    :data:`grokbook.paper.configs.LATE_FRACTION`, runs have the shortest tail there is."""
    budget: int | None = None
    """Step budget of all runs in place of each operation's own."""
    model: str = RunConfig.model

    def configs(
        self,
        moduli: Sequence[int] = (),
        fractions: Sequence[float] = (),
        seeds: Sequence[int] = (),
        *,
        max_steps: int | None = None,
        **fields: Any,
    ) -> list[RunConfig]:
        """The runs, one seed of everything first; what is given replaces the experiment's own.

        Further fields, such as the model, are those of every run and of what it starts from.
        """
        found: list[RunConfig] = []
        for seed, p, fraction in product(seeds or self.seeds, moduli or self.moduli, fractions or self.fractions):
            at: dict[str, Any] = {"p": p, "fraction": fraction, "seed": seed, "max_steps": max_steps or self.budget}
            if self.endings:
                at["tail"] = ending_tail(fraction)
            found += [single(operation, **at) for operation in self.from_scratch]
            found += [mixture(operations, **at) for operations in self.mixtures]
            found += [pre_grokked(transfer, **at) for transfer in self.transfers]
            found += [single(operation, **at, frozen=EMBEDDING) for operation in self.random_embedding]
            found += [single(operation, **at, operands="vocab") for operation in self.all_tokens]
        return list(dict.fromkeys(_with(config, {"model": self.model} | fields) for config in found))

    def includes(self, config: RunConfig) -> bool:
        """Whether it is one of the runs, with its own moduli, fractions and seeds and no smaller budget."""
        inside = config.p in self.moduli and config.fraction in self.fractions and config.seed in self.seeds
        return inside and config.max_steps >= self._own(config).get(config.hash, math.inf)

    def covers(self, config: RunConfig) -> bool:
        """Whether it is a run of the same tasks, whatever its modulus, fraction, seed and end."""
        return config.hash in self._own(config)

    def _own(self, config: RunConfig) -> Mapping[str, int]:
        return _budgets(self, config.p, config.fraction, config.seed)


def _with(config: RunConfig, fields: Mapping[str, Any]) -> RunConfig:
    """A run with other fields, as have all that it starts from."""
    source = None if config.source is None else _with(config.source, fields)
    return replace(config, **fields, source=source)


@lru_cache(maxsize=1024)  # asked for every run of a chapter, at a few places
def _budgets(experiment: Experiment, p: int, fraction: float, seed: int) -> Mapping[str, int]:
    """The runs of an experiment at one modulus, fraction and seed, by hash, with their budgets."""
    return {config.hash: config.max_steps for config in experiment.configs([p], [fraction], [seed])}


def _transfers(modules: Iterable[str], sources: Iterable[str], targets: Iterable[str]) -> tuple[Transfer, ...]:
    named = product(sources, targets, modules)
    return tuple(Transfer.parse(f"{module} {source} -> {target}") for source, target, module in named)


_LINEAR_TRANSFERS = (*_transfers(["PG-E"], ["a+b"], SCALED), *_transfers(["PG-T"], ["ab"], ["ab+b", "ab-b"]))

EXPERIMENTS: Mapping[str, Experiment] = {
    "elementary": Experiment("Fig 3, §5.1–5.2", from_scratch=ELEMENTARY),
    "pregrokked-elementary": Experiment(
        "Fig 2, §5", from_scratch=ELEMENTARY, transfers=_transfers(MODULES, ELEMENTARY, ELEMENTARY)
    ),
    "restricted-loss": Experiment("Fig 13, Table 4, Appendix E", from_scratch=("a+b", "a-b")),
    "random-embedding": Experiment("Fig 14, Appendix F", random_embedding=ELEMENTARY),
    "mixture-elementary": Experiment("Fig 4, §5.3", mixtures=(ELEMENTARY,), fractions=FRACTIONS),
    "simple-polynomials": Experiment(
        "Fig 5 and 6, §6.1", from_scratch=("a^2+b", "a^2-b", "a^3+2b", "a^3-2b", "ab+a+b", "a^2+b^2", "a^2-b^2")
    ),
    "high-degree": Experiment("Fig 7 and 8, §6.2", from_scratch=(*NOT_FACTORIZABLE, *FACTORIZABLE, *POWERS)),
    "pregrokked-linear": Experiment("Fig 9, §6.3", from_scratch=(*SCALED, "ab+b", "ab-b"), transfers=_LINEAR_TRANSFERS),
    "progress-measures": Experiment(
        "Fig 10 and 19, §7, Appendix H", from_scratch=(*ELEMENTARY, "ab+b", *POWERS, *SUMS, "a^2+ab+b^2")
    ),
    "progress-measures-ab+b": Experiment(
        "Fig 10 and 19, §7: ab+b, at the smallest r at which Table 5 has it grok",
        from_scratch=("ab+b",),
        fractions=(0.5,),
    ),
    "mixture-polynomials": Experiment(
        "Fig 11 and 12, Appendix D",
        mixtures=(
            ("a+b", "ab+b"),
            ("a^2+b^2", "a^2+ab+b^2", "(a+b)^2"),
            ("(a+b)^3", "a^3+ab"),
            ("(a+b)^3", "a^3+ab^2+b"),
        ),
    ),
    "summary-grid": Experiment(
        "Table 5, Appendix I",
        from_scratch=tuple(str(operation) for kind in CATALOGUE.values() for operation in kind),
        transfers=_LINEAR_TRANSFERS,
        fractions=FRACTIONS,
        endings=True,
    ),
    "modulus": Experiment(
        "Fig 20, Appendix J", from_scratch=("a^2+ab+b^2",), moduli=(59, 97, 113), fractions=(0.3, 0.5, 0.7, 0.9)
    ),
    "operand-range": Experiment(
        "the released code's operands beside the text's", from_scratch=ELEMENTARY, all_tokens=ELEMENTARY
    ),
    "pregrokked-polynomials": Experiment(
        "Table 6, Appendix L",
        from_scratch=QUADRATICS_AND_CUBICS,
        transfers=_transfers(MODULES, ELEMENTARY, QUADRATICS_AND_CUBICS),
    ),
    "label-distribution": Experiment("Fig 21, Appendix K"),
    "taxonomy": Experiment("Tables 1 and 3"),
    "unseen-operations": Experiment(
        "predictions A",
        from_scratch=tuple(str(operation) for family in unseen.listed().values() for operation in family),
        moduli=(unseen.P,),
        fractions=(0.5,),
        seeds=(0,),
        endings=True,
        budget=20_000,
    ),
    "unseen-fractions": Experiment(
        "predictions B",
        from_scratch=tuple(str(operation) for kind in CATALOGUE.values() for operation in kind),
        transfers=_LINEAR_TRANSFERS,
        fractions=(0.4, 0.5),
        seeds=(0,),
        endings=True,
        budget=40_000,
    ),
    "unseen-primes": Experiment(
        "predictions C",
        from_scratch=SUMS,
        moduli=(59, 67, 101),
        fractions=(0.5,),
        seeds=(0,),
        endings=True,
        budget=40_000,
    ),
    "unseen-primes-quadratic": Experiment(
        "predictions C",
        from_scratch=("a^2+ab+b^2",),
        moduli=(61, 67),
        fractions=(0.5, 0.9),
        seeds=(0,),
        endings=True,
        budget=40_000,
    ),
    "separate-control": Experiment(
        "predictions D, control",
        from_scratch=("a+b",),
        fractions=(0.3, 0.4, 0.5),
        endings=True,
        budget=40_000,
        model="separate",
    ),
    "separate-embeddings": Experiment(
        "predictions D",
        from_scratch=(
            *("a-b", *SCALED, "ab", "ab+b", "ab-b", "a^2+b", "a^2-b", "a^3+2b", "a^3-2b", "(a+b)^6"),
            *NOT_FACTORIZABLE,
        ),
        fractions=(0.4,),  # the smallest at which two of the three seeds of the control grok
        endings=True,
        budget=40_000,
        model="separate",
    ),
    "unseen-mlp": Experiment(
        "predictions E",
        from_scratch=tuple(str(operation) for family in unseen.listed().values() for operation in family[:8]),
        moduli=(unseen.P,),
        fractions=(0.5,),
        seeds=(0,),
        endings=True,
        budget=20_000,
        model="mlp",
    ),
}
"""By the names that ``grokbook sweep`` takes."""


def experiment(name: str) -> Experiment:
    """The experiment of that name; ``ValueError`` with the nearest ones if there is none."""
    if name not in EXPERIMENTS:
        near = difflib.get_close_matches(name, EXPERIMENTS, n=3, cutoff=0.4) or list(EXPERIMENTS)
        raise ValueError(f"no experiment {name!r}; did you mean {' or '.join(near)}?")
    return EXPERIMENTS[name]


def in_an_experiment(config: RunConfig) -> bool:
    """Whether a run belongs to one of the experiments, at its full size and with its budget."""
    return any(experiment.includes(config) for experiment in EXPERIMENTS.values())


def sweep_command(name: str, configs: Iterable[RunConfig]) -> str:
    """The command that trains these runs of an experiment, and those of its other tasks at the same settings.

    Settings are named where they are not all of the experiment's own. ``ValueError``: it has no such task, or the
    runs differ in their budgets where these are not its own.
    """
    chosen, wanted = experiment(name), list(configs)
    foreign = next((config for config in wanted if not chosen.covers(config)), None)
    if foreign is not None:
        raise ValueError(f"{name} has no {foreign.task}")
    own = all(config.max_steps == chosen._own(config)[config.hash] for config in wanted)
    budgets = [] if own else sorted({config.max_steps for config in wanted})
    if len(budgets) > 1:
        raise ValueError(f"budgets of {', '.join(map(str, budgets))} steps take a command each")
    settings: dict[str, tuple[Iterable[float], Iterable[float]]] = {
        "--p": ((config.p for config in wanted), chosen.moduli),
        "--fraction": ((config.fraction for config in wanted), chosen.fractions),
        "--seed": ((config.seed for config in wanted), chosen.seeds),
        "--max-steps": (budgets, ()),
    }
    options = [
        f" {option} {value}"
        for option, (values, usual) in settings.items()
        if (needed := set(values)) != set(usual)
        for value in sorted(needed)
    ]
    return f"grokbook sweep {name}{''.join(options)}"
