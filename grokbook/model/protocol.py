"""What a model is: sizes, initial weights, logits; and how any such model is trained, by automatic differentiation.

A model that knows a faster way brings a :class:`Pass` of its own, as the transformer does with
:mod:`grokbook.model.folded_pass`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache
from pkgutil import resolve_name
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from grokbook.model.registry import MODELS

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {"relu": torch.relu, "quadratic": torch.square}
"""The functions behind :data:`grokbook.model.registry.ACTIVATIONS`."""


@runtime_checkable
class Sizes(Protocol):
    """Sizes of a model and of what it reads, as a :class:`grokbook.RunConfig` has them."""

    @property
    def p(self) -> int: ...

    @property
    def d_vocab(self) -> int: ...

    @property
    def d_model(self) -> int: ...

    @property
    def n_heads(self) -> int: ...

    @property
    def d_mlp(self) -> int: ...


@runtime_checkable
class Matrices(Protocol):
    """Named weight matrices, of one model or behind a leading ``run`` axis: a ``NamedTuple`` with a method ``map``."""

    def __iter__(self) -> Iterator[Tensor]: ...

    def _asdict(self) -> dict[str, Any]: ...

    def map(self, function: Callable[[Tensor], Tensor]) -> Matrices:
        """Apply ``function`` to each matrix."""
        ...


@runtime_checkable
class Pass(Protocol):
    """Logits and gradients of a stack of runs, each on rows of its own that stay the same while it trains."""

    def gradients(
        self, weights: Any, labels: Int[Tensor, "run row"], scale: float, trained: Collection[str]
    ) -> dict[str, Tensor]:
        """The gradient of ``scale`` times the summed cross-entropy of the training rows, by each trained matrix.

        Rows are the training pairs of one operation after the other. The softmax is taken in float64.
        """
        ...

    def table_logits(self, weights: Any, runs: list[int]) -> Float[Tensor, "run operation pair class"]:
        """The logits of some runs on their whole tables; ``weights`` are those of these runs."""
        ...

    def implementation(self, weights: Any) -> str:
        """What computes the gradient here and now: "torch", or "c", see :mod:`grokbook.model.compiled`."""
        ...

    def put(self, slot: int, single: Any) -> None:
        """Let the rows of a pass of one run take the place of run ``slot``, without new memory."""
        ...


class Model(ABC):
    """A kind of network: what shapes its weights have, where they start, and which logits they give.

    Its activation is one of :data:`grokbook.model.registry.ACTIVATIONS`.
    """

    weights: ClassVar[Callable[..., Matrices]]
    """The ``NamedTuple`` of its matrices."""

    def __init__(self, activation: str = "relu") -> None:
        self.activation = activation

    @abstractmethod
    def shapes(self, sizes: Sizes) -> tuple[tuple[int, ...], ...]:
        """Shapes of its matrices, in the order of :attr:`weights`."""

    @abstractmethod
    def initialise(self, sizes: Sizes, rng: np.random.Generator) -> Matrices:
        """Fresh float32 weights, drawn by numpy, so that a seed means the same on every device."""

    @abstractmethod
    def logits(self, weights: Any, tokens: Int[Tensor, "row 3"]) -> Float[Tensor, "row class"]:
        """The definition of the model: differentiable logits for rows of tokens (a, op, b).

        The first p classes are the residues. It must work under ``torch.vmap``, which is how a stack shares operations.
        """

    @abstractmethod
    def layers(self, weights: Any, p: int) -> dict[str, Float[Tensor, "p n"]]:
        """Its layers over the residues: at least an "embedding" of a, and a "neuron_logit" map."""

    def fast_logits(self, weights: Any, tokens: Int[Tensor, "row 3"]) -> Float[Tensor, "row class"]:
        """The same as :meth:`logits`, without gradient, in the fastest way there is."""
        with torch.no_grad():
            return self.logits(weights, tokens)

    def prepare(
        self, tokens: Int[Tensor, "run operation pair 3"], train: Bool[Tensor, "run pair"], sizes: Sizes
    ) -> Pass:
        """A pass for a stack of runs, given their tables and which pairs are trained on, as many in each run."""
        return AutogradPass(self, tokens, train)


@runtime_checkable
class Described(Protocol):
    """A config, as far as it names a model."""

    @property
    def model(self) -> str: ...

    @property
    def activation(self) -> str: ...


def of(config: Described) -> Model:
    """The model that a config trains."""
    return _model(config.model, config.activation)


@lru_cache
def _model(name: str, activation: str) -> Model:
    found: Model = resolve_name(MODELS[name].implementation)(activation)
    return found


class AutogradPass:
    """The pass of a model that brings no more than its logits; see :class:`Pass`."""

    def __init__(
        self, model: Model, tokens: Int[Tensor, "run operation pair 3"], train: Bool[Tensor, "run pair"]
    ) -> None:
        self._model = model
        self._table = tokens.clone()
        self._rows = training_rows(tokens, train)

    def gradients(
        self, weights: Any, labels: Int[Tensor, "run row"], scale: float, trained: Collection[str]
    ) -> dict[str, Tensor]:
        leaves = {name: w.detach() for name, w in weights._asdict().items()}
        wanted = {name: leaf.requires_grad_() for name, leaf in leaves.items() if name in trained}
        with torch.enable_grad():
            logits = self._logits(self._model.weights(**leaves), self._rows).double()
            loss = scale * F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum")
            return dict(zip(wanted, torch.autograd.grad(loss, list(wanted.values())), strict=True))

    @torch.no_grad()
    def table_logits(self, weights: Any, runs: list[int]) -> Float[Tensor, "run operation pair class"]:
        table = self._table[runs]
        return self._logits(weights, table.flatten(1, 2)).unflatten(1, table.shape[1:3])

    def implementation(self, weights: Any) -> str:
        return "torch"

    def put(self, slot: int, single: AutogradPass) -> None:
        self._table[slot], self._rows[slot] = single._table[0], single._rows[0]

    def _logits(self, weights: Matrices, tokens: Int[Tensor, "run row 3"]) -> Float[Tensor, "run row class"]:
        if len(tokens) == 1:
            return self._model.logits(weights.map(lambda w: w[0]), tokens[0]).unsqueeze(0)

        def single(tokens: Tensor, *matrices: Tensor) -> Tensor:
            return self._model.logits(self._model.weights(*matrices), tokens)

        return torch.vmap(single)(tokens, *weights)


def training_rows(
    tokens: Int[Tensor, "run operation pair 3"], train: Bool[Tensor, "run pair"]
) -> Int[Tensor, "run row 3"]:
    """The training rows of each run, operation after operation."""
    return torch.stack([table[:, of_run].flatten(0, 1) for table, of_run in zip(tokens, train, strict=True)])
