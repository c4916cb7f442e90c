"""A run whose Fourier structure is known, for the tests of `grokbook.figures`."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from grokbook import Run, RunConfig, fourier, runs
from grokbook.model.weights import Weights
from grokbook.runs.initial import initial_weights
from grokbook.runs.run import Spectra


def planted(tiny: Callable[..., RunConfig], p: int = 11) -> Run:
    """A run with known structure: W_E is cos 3, W_L is 2 sin 2, and logits are cos 2 over a times sin 4 over b."""
    config = tiny(p=p)
    x = torch.arange(p, dtype=torch.float64)
    wave = lambda function, k: function(2 * math.pi * k * x / p)  # noqa: E731
    embedding = torch.outer(wave(torch.cos, 3), torch.ones(4, dtype=torch.float64))
    neuron_logit = torch.outer(wave(torch.sin, 2), torch.full((4,), 2.0, dtype=torch.float64))
    logits = torch.outer(wave(torch.cos, 2), wave(torch.sin, 4))[..., None].expand(p, p, 3) + 1000.0
    flat = torch.rand(p, generator=torch.Generator().manual_seed(0))
    last = tuple(fourier.spectrum(layer).to_rows().float() for layer in (embedding, neuron_logit))
    step = torch.tensor([0, 1, 10, 20, 30])
    early_map = torch.rand(1, p, p, generator=torch.Generator().manual_seed(1))
    spectra = Spectra(
        step,
        torch.stack([flat, flat, flat, flat, last[0]]),
        torch.stack([flat, flat, flat, flat, last[1]]),
        torch.tensor([0, 10, 30]),
        torch.stack([early_map, early_map, fourier.spectrum_2d(logits)[None]]).half(),
    )
    columns = {name: np.linspace(0.1, 0.2, 5, dtype=np.float32) for name in runs.history_columns(config)}
    columns |= {"step": step.numpy(), "train_accuracy": np.array([0, 1, 1, 1, 1.0])}
    columns |= {"test_accuracy": np.array([0, 0.25, 1, 1, 1.0]), "ffs_embedding": np.array([0.7, 0.7, 0.6, 0.3, 0.125])}
    weights, history = initial_weights(config, {}), pd.DataFrame(columns)
    return Run(config=config, history=history, spectra=spectra, kept_weights=weights, provenance={})


def single_frequency(tiny: Callable[..., RunConfig]) -> Run:
    """A run with p = 3, which has one frequency."""
    run = planted(tiny, p=5)
    cut = run.spectra._replace(
        embedding=run.spectra.embedding[:, :3],
        neuron_logit=run.spectra.neuron_logit[:, :3],
        logits=run.spectra.logits[..., :3, :3],
    )
    return replace(run, config=tiny(p=3), spectra=cut)


def mixture(tiny: Callable[..., RunConfig], fraction: float = 0.6, seed: int = 0) -> Run:
    """a+b and a-b in one run: a+b groks at step 10 and has cos 1 × cos 1, a-b never gets beyond 40 %: sin 2 × sin 2."""
    single, config = planted(tiny), tiny("a+b", "a-b", p=11, fraction=fraction, seed=seed)
    maps = torch.full((1, 2, config.p, config.p), 0.5)
    maps[0, 0, 1, 1], maps[0, 1, 4, 4] = 8.0, 4.0
    of_each = {
        "a+b": ([0, 1, 1, 1, 1.0], [0, 0.25, 1, 1, 1.0]),
        "a-b": ([0, 0.5, 1, 1, 1.0], [0, 0.1, 0.3, 0.4, 0.2]),
    }
    columns = dict.fromkeys(runs.history_columns(config), single.history["test_loss"])
    for operation, (train, test) in of_each.items():
        columns |= {f"train_accuracy[{operation}]": np.array(train), f"test_accuracy[{operation}]": np.array(test)}
        columns |= {f"train_loss[{operation}]": np.array(test) + 2, f"test_loss[{operation}]": np.array(test) + 1}
    for index, part in enumerate(("train", "test")):
        columns[f"{part}_accuracy"] = np.mean([one[index] for one in of_each.values()], axis=0)
    columns |= {name: single.history[name] for name in ("step", "ffs_embedding")}
    spectra = single.spectra._replace(logits_step=torch.tensor([30]), logits=maps)
    weights = initial_weights(config, {})
    return Run(config=config, history=pd.DataFrame(columns), spectra=spectra, kept_weights=weights, provenance={})


def product(waves: Run) -> Run:
    """A run on ab+a+b whose embedding is a wave of frequency 2 over log(x + 1); its other layer is a random start."""
    config = replace(waves.config, operations=("ab+a+b",))
    weights = initial_weights(config, {})
    assert isinstance(weights, Weights)
    wave = 3 * fourier.multiplicative_basis(config.p)[3].roll(-1).float()
    layer = torch.cat([torch.outer(wave, torch.eye(weights.W_E.shape[1])[0]), weights.W_E[config.p :]])
    return replace(waves, config=config, kept_weights=weights._replace(W_E=layer))
