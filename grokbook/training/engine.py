"""A stack of models trained in lockstep: full-batch AdamW, and evaluation on the whole table.

Logits and gradients are those of the model's :class:`grokbook.model.protocol.Pass`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grokbook import model
from grokbook.data import tokens
from grokbook.model.protocol import Matrices, Pass
from grokbook.runs.config import RunConfig
from grokbook.runs.pairs import dataset
from grokbook.training import memory

WARM_UP = 3
"""Updates made before one is captured as a CUDA graph, so that libraries have set up what they need."""


class Evaluation(NamedTuple):
    """Losses and accuracies of runs on both parts of the table, per operation, and the logits behind them."""

    train_loss: Float[Tensor, "run operation"]
    test_loss: Float[Tensor, "run operation"]
    train_accuracy: Float[Tensor, "run operation"]
    test_accuracy: Float[Tensor, "run operation"]
    logits: Float[Tensor, "run operation pair vocab"]


class _Data(NamedTuple):
    """What the runs of a stack are trained and tested on."""

    rows: Pass
    train_labels: Int[Tensor, "run row"]
    """Operation after operation."""
    labels: Int[Tensor, "run operation pair"]
    train: Bool[Tensor, "run pair"]


class _Batch(NamedTuple):
    """Runs whose gradients are computed in one go, as views into the vectors of their stack."""

    data: _Data
    weights: Matrices
    gradients: Matrices
    trained: frozenset[str]
    """The matrices that some run of the batch does not freeze."""


def stack_key(config: RunConfig) -> tuple[Any, ...]:
    """Configs with equal keys can be trained in one stack, whatever their operations, seeds and frozen weights."""
    n_operands = tokens.n_operands(config.p, config.operands)
    return (
        (config.p, n_operands, config.d_vocab, len(config.operations), tokens.n_train(n_operands**2, config.fraction)),
        (config.model, config.activation, config.d_model, config.n_heads, config.d_mlp),
        (config.lr, config.betas, config.weight_decay, config.eval_every),
    )


def stackable(configs: Iterable[RunConfig]) -> list[list[RunConfig]]:
    """The configs in groups that can be trained in one stack, in the order in which they come."""
    groups: dict[tuple[Any, ...], list[RunConfig]] = {}
    for config in configs:
        groups.setdefault(stack_key(config), []).append(config)
    return list(groups.values())


class Stack:
    """Runs that are trained together, each with a count of steps of its own.

    On CUDA all runs share each operation (``shared``). On a CPU, where that saves nothing, each run has operations of
    its own, and so the very numbers that it has when trained alone: batched products round in another order.

    Each run starts from weights after any transplant. ``ValueError``: the configs differ in their :func:`stack_key`.
    """

    def __init__(
        self,
        configs: Sequence[RunConfig],
        starts: Sequence[Matrices],
        device: torch.device,
        *,
        shared: bool | None = None,
    ) -> None:
        if len({stack_key(config) for config in configs}) != 1:
            raise ValueError("runs of one stack must agree in p, rows, sizes and optimiser settings")
        memory.keep_freed()
        self.configs = list(configs)
        self.steps = [0] * len(configs)
        self.device = device
        self._shared = device.type == "cuda" if shared is None else shared
        self._build(torch.stack([_flat(start) for start in starts]).to(device))

    def _build(self, flat: Float[Tensor, "run parameter"]) -> None:
        """Lay out data, gradients and optimiser state of the present configs around their weights."""
        first = self.configs[0]
        together = [self.configs] if self._shared else [[config] for config in self.configs]
        self._data = [_data_for(configs, self.device) for configs in together]
        n_rows = self._data[0].train_labels.shape[1]
        self._scale = len(first.operations) / n_rows  # mean over pairs, sum over operations
        self._flat, self._flat_gradient = flat, torch.zeros_like(flat)
        self.weights = _views(flat, first)
        # One vector per run: to AdamW each run is a parameter, with its own count of steps.
        self._rows = [row.detach().requires_grad_() for row in flat]
        self._optimiser = torch.optim.AdamW(
            self._rows,
            lr=first.lr,
            betas=first.betas,
            weight_decay=first.weight_decay,
            fused=True,
            capturable=self.device.type == "cuda",
        )
        for row, gradient in zip(self._rows, self._flat_gradient, strict=True):
            row.grad = gradient
            self._optimiser.state[row] = {
                "step": torch.zeros((), dtype=torch.float32, device=self.device),
                "exp_avg": torch.zeros_like(row.detach()),
                "exp_avg_sq": torch.zeros_like(row.detach()),
            }
        self._start = flat.clone()
        self._freeze()

    def _freeze(self) -> None:
        """Decide which matrices get gradients, and which parts of the vectors are put back after each update."""
        first = self.configs[0]
        frozen = torch.zeros_like(self._flat, dtype=torch.bool)
        for name, view in _views(frozen, first)._asdict().items():
            for run, config in enumerate(self.configs):
                view[run] = name in config.frozen_weights
        self._frozen = frozen if frozen.any() else None
        self._flat_gradient.zero_()
        self._batches = []
        for i, part in enumerate(self._data):
            runs = slice(None) if self._shared else slice(i, i + 1)
            everywhere = set.intersection(*(set(config.frozen_weights) for config in self.configs[runs]))
            trained = frozenset(first.model_entry.weights) - everywhere
            views = _views(self._flat[runs], first), _views(self._flat_gradient[runs], first)
            self._batches.append(_Batch(part, *views, trained))
        self._graph: torch.cuda.CUDAGraph | None = None
        self._to_warm_up = WARM_UP if self.device.type == "cuda" else 0

    @torch.no_grad()
    def replace(self, run: int, config: RunConfig, start: Matrices) -> None:
        """Let another config take the place of a run, at step 0."""
        if stack_key(config) != stack_key(self.configs[0]):
            raise ValueError("runs of one stack must agree in p, rows, sizes and optimiser settings")
        single = _data_for([config], self.device)
        mine, place = self._data_of(run)
        mine.rows.put(place, single.rows)
        for old, new in zip(mine[1:], single[1:], strict=True):
            old[place] = new[0]
        refreeze = config.frozen_weights != self.configs[run].frozen_weights
        self.configs[run], self.steps[run] = config, 0
        self._flat[run] = self._start[run] = _flat(start).to(self.device)
        for value in self._optimiser.state[self._rows[run]].values():
            value.zero_()
        if refreeze:
            self._freeze()

    def _data_of(self, run: int) -> tuple[_Data, int]:
        """The data that a run is part of, and its place there."""
        return (self._data[0], run) if self._shared else (self._data[run], 0)

    def keep(self, runs: Sequence[int]) -> None:
        """Go on with these runs alone."""
        states = [self.state(run) for run in runs]
        self.steps, self.configs = [self.steps[run] for run in runs], [self.configs[run] for run in runs]
        self._build(self._flat[list(runs)].clone())  # what is frozen has not moved, so it starts from where it is
        for run, state in enumerate(states):
            self.load_state(run, state, self.steps[run])

    @property
    def facts(self) -> dict[str, str]:
        """What makes its steps, for the provenance of its runs: on a CPU, torch or C."""
        if self.device.type != "cpu":
            return {}
        first = self._batches[0]
        return {"cpu_step": first.data.rows.implementation(first.weights)}

    def advance(self, steps: int) -> None:
        """Make that many updates of every run. On CUDA the host only queues them."""
        # Graphs are captured and replayed on the current device, whatever their kernels work on.
        with torch.cuda.device(self.device) if self.device.type == "cuda" else nullcontext():
            self._advance(steps)
        self.steps = [step + max(steps, 0) for step in self.steps]

    def _advance(self, steps: int) -> None:
        first = min(steps, self._to_warm_up)
        if first > 0:
            self._warm_up(first)
        for _ in range(steps - first):
            if self._graph is None:
                self._update()
            else:
                self._graph.replay()

    def _update(self) -> None:
        for batch in self._batches:
            rows, labels = batch.data.rows, batch.data.train_labels
            found = rows.gradients(batch.weights, labels, self._scale, batch.trained)
            for name, gradient in found.items():
                getattr(batch.gradients, name).copy_(gradient)
        self._optimiser.step()
        if self._frozen is not None:  # weight decay moved them
            with torch.no_grad():
                torch.where(self._frozen, self._start, self._flat, out=self._flat)

    def _warm_up(self, updates: int) -> None:
        """Make the first updates on a side stream, as capturing asks for, then capture one."""
        side = torch.cuda.Stream(self.device)
        side.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(side), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*capturable=True.*")  # the next update will be captured
            for _ in range(updates):
                self._update()
        torch.cuda.current_stream(self.device).wait_stream(side)
        self._to_warm_up -= updates
        if self._to_warm_up:
            return
        graph = torch.cuda.CUDAGraph()
        try:
            # Of other threads, which may work on other runs, nothing is asked while this one captures.
            with torch.cuda.graph(graph, stream=side, capture_error_mode="thread_local"):
                self._update()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            warnings.warn(f"training without a CUDA graph: {error}", stacklevel=2)
        else:
            self._graph = graph

    def evaluate(self, runs: Sequence[int] | None = None) -> Evaluation:
        """Evaluate some runs, or all. Losses are means over pairs in nats, from a float64 log-softmax."""
        chosen = list(range(len(self.configs)) if runs is None else runs)
        size = memory.EVALUATED_TOGETHER if self._shared else 1
        parts = [chosen[i : i + size] for i in range(0, len(chosen), size)]
        evaluations = [self._evaluate(part) for part in parts]
        return evaluations[0] if len(parts) == 1 else Evaluation(*map(torch.cat, zip(*evaluations, strict=True)))

    @torch.no_grad()
    def _evaluate(self, chosen: list[int]) -> Evaluation:
        mine = self._data_of(chosen[0])[0]
        places = [self._data_of(run)[1] for run in chosen]
        logits = mine.rows.table_logits(self.weights.map(lambda w: w[chosen]), places)
        labels = mine.labels[places]
        loss = -logits.double().log_softmax(-1).gather(-1, labels.unsqueeze(-1)).squeeze(-1)
        correct = (logits.argmax(-1) == labels).double()
        train = mine.train[places].unsqueeze(1).double()  # [run, 1, pair]

        parts = [(values, part) for values in (loss, correct) for part in (train, 1 - train)]
        return Evaluation._make([*((values * part).sum(-1) / part.sum(-1) for values, part in parts), logits])

    def weights_of(self, run: int) -> Matrices:
        """The present weights of a run, as tensors of their own on the CPU."""
        return self.weights.map(lambda w: w[run].cpu().clone())

    def state(self, run: int) -> dict[str, Tensor]:
        """Everything that the next step of a run depends on, as named CPU tensors of their own."""
        parts = {"weights": self._flat[run]}
        parts |= {f"optimiser.{name}": value for name, value in self._optimiser.state[self._rows[run]].items()}
        return {name: value.cpu().clone() for name, value in parts.items()}

    @torch.no_grad()
    def load_state(self, run: int, state: dict[str, Tensor], step: int) -> None:
        """Continue a run from :meth:`state` as taken after ``step`` updates."""
        weights = state["weights"].to(self.device)
        if self._frozen is not None:
            frozen = self._frozen[run]
            if not torch.equal(weights[frozen], self._start[run][frozen]):
                raise RuntimeError("its frozen weights are not those that the run starts from")
        self._flat[run] = weights
        for name, value in self._optimiser.state[self._rows[run]].items():
            value.copy_(state[f"optimiser.{name}"])
        self.steps[run] = step


def _flat(weights: Matrices) -> Float[Tensor, " parameter"]:
    """All matrices of one model, one after the other."""
    return torch.cat([w.detach().flatten() for w in weights])


def _views(flat: Tensor, config: RunConfig) -> Matrices:
    """The matrices of a stack inside its flat vectors; writing to one writes to the other."""
    network = model.of(config)
    sizes = network.shapes(config)
    parts = flat.split([torch.Size(size).numel() for size in sizes], dim=1)
    return network.weights(*(part.unflatten(1, size) for part, size in zip(parts, sizes, strict=True)))


def _data_for(configs: Sequence[RunConfig], device: torch.device) -> _Data:
    tables = [dataset(config) for config in configs]
    tokens, labels, train = (torch.stack(parts).to(device) for parts in zip(*tables, strict=True))
    train_labels = torch.stack([table.labels[:, table.train].flatten() for table in tables]).to(device)
    return _Data(model.of(configs[0]).prepare(tokens, train, configs[0]), train_labels, labels, train)
