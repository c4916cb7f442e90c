"""Restricted and ablated losses, against closed forms and against explicit sums."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from checkout import ROOT
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float64, TypeCheckError
from torch import Tensor
from torch.testing import assert_close

from grokbook import Operation, default_store, fourier, model
from grokbook.analysis import restricted
from grokbook.analysis.restricted import COMBINATIONS, Ablations, decompose, phases
from grokbook.errors import WeightsMissing
from grokbook.paper import configs
from grokbook.runs import publish, verify
from grokbook.training.replay import weights_along

SUM, DIFFERENCE = Operation.parse("a+b"), Operation.parse("a-b")


def waves_of(operation: Operation, p: int, amplitudes: dict[int, float], *, shift: int = 0) -> Float64[Tensor, "p p p"]:
    """Σ_k A_k cos(w_k(f(a, b) + shift - c)) over all a, b and classes c, from Python's own arithmetic."""
    a, b, c = np.meshgrid(*[np.arange(p)] * 3, indexing="ij")
    angle = (operation(a, b, p) + shift - c) % p
    return torch.from_numpy(sum(A * np.cos(2 * math.pi * (k * angle % p) / p) for k, A in amplitudes.items()))


def random(*shape: int, seed: int = 0) -> Float64[Tensor, "..."]:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def ablations_of(logits: Float64[Tensor, "a b class"], operation: Operation, every: int = 3) -> Ablations:
    """The whole table of an operation, every third pair of it in the train part."""
    p = len(logits)
    a, b = torch.arange(p)[:, None], torch.arange(p)[None]
    return Ablations(decompose(logits, operation), operation(a, b, p), (a * p + b) % every == 0)


# --- the parts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["a+b", "a-b", "b-a", "2a-3b", "a+b+4", "5a"])
def test_waves_of_the_answer_are_found_where_they_are(text):
    operation, p = Operation.parse(text), 11
    bias = random(p)
    logits = waves_of(operation, p, {2: 3.0, 5: 0.5}) + bias
    waves = decompose(logits, operation)
    for k, amplitude in {1: 0.0, 2: 3.0, 3: 0.0, 4: 0.0, 5: 0.5}.items():
        assert_close(waves.waves([k]), waves_of(operation, p, {k: amplitude}), atol=1e-12, rtol=0)
        # Cosine and sine of the answer each have norm √(p²/2) over inputs, and the class a norm of √(p/2).
        assert_close(waves.spectrum.cosine[k - 1].item(), amplitude * p**1.5 / 2, atol=1e-9, rtol=1e-9)
        assert_close(waves.spectrum.sine[k - 1].item(), amplitude * p**1.5 / 2, atol=1e-9, rtol=1e-9)
    assert_close(waves.constant, bias.expand(p, p, p), atol=1e-12, rtol=0)
    assert_close(waves.residual, torch.zeros(p, p, p, dtype=torch.float64), atol=1e-12, rtol=0)


@pytest.mark.parametrize(("made_for", "read_as"), [(SUM, DIFFERENCE), (DIFFERENCE, SUM)])
def test_waves_of_a_sum_are_residual_to_a_difference_and_the_other_way_round(made_for, read_as):
    p = 11
    logits = waves_of(made_for, p, {2: 3.0})
    waves = decompose(logits, read_as)
    assert waves.spectrum.combined.max() < 1e-9
    assert_close(waves.residual, logits)


@pytest.mark.parametrize(("operation", "sign"), [(SUM, -1), (DIFFERENCE, 1)])
def test_directions_are_those_of_the_two_dimensional_basis(operation, sign):
    """cos w(a±b) = cos wa cos wb ∓ sin wa sin wb: the same projection, through `coefficients_2d`."""
    p, k = 7, 2
    logits = random(p, p, p)
    blocks = fourier.coefficients_2d(logits)
    cosine = (blocks[2 * k - 1, 2 * k - 1] + sign * blocks[2 * k, 2 * k]) / math.sqrt(2)
    sine = (blocks[2 * k, 2 * k - 1] - sign * blocks[2 * k - 1, 2 * k]) / math.sqrt(2)
    found = decompose(logits, operation).coefficients
    assert_close(found[2 * k - 1], cosine)
    assert_close(found[2 * k], sine)


@given(
    p=st.sampled_from([3, 5, 7, 13]),
    coefficients=st.tuples(st.integers(-9, 9), st.integers(-9, 9), st.integers(0, 9)),
    keys=st.sets(st.integers(1, 6)),
    seed=st.integers(0, 99),
)
def test_parts_are_orthogonal_projections_that_sum_to_the_logits(p, coefficients, keys, seed):
    over_a, over_b, offset = coefficients
    if over_a % p == 0 and over_b % p == 0:
        return
    operation = Operation.from_coefficients({(1, 0): over_a, (0, 1): over_b, (0, 0): offset})
    logits, key = random(p, p, p, seed=seed), {k for k in keys if k <= p // 2}
    parts = decompose(logits, operation).parts(key)
    assert_close(torch.stack(list(parts.values())).sum(0), logits, atol=1e-12, rtol=0)
    for name, part in parts.items():
        again = decompose(part, operation).parts(key)
        assert_close(again[name], part, atol=1e-12, rtol=0)  # idempotent
        for other in parts.keys() - {name}:
            assert again[other].abs().max() < 1e-12
            # Orthogonal over inputs for every pair of classes.
            assert torch.einsum("abn,abm->nm", part, parts[other]).abs().max() < 1e-10


def test_waves_and_constant_are_the_mean_over_inputs_with_one_answer():
    p, operation = 7, DIFFERENCE
    logits = random(p, p, p)
    waves = decompose(logits, operation)
    explained = waves.constant + waves.waves(range(1, p // 2 + 1))
    for answer in range(p):
        inputs = waves.phase == answer
        assert_close(explained[inputs], logits[inputs].mean(0).expand(p, p))


def test_a_frequency_named_twice_counts_once_and_one_that_is_not_there_is_refused():
    waves = decompose(random(7, 7, 7), SUM)
    assert_close(waves.waves([2, 2, 1]), waves.waves([1, 2]))
    assert not waves.waves([]).any()
    for k in (0, 4):
        with pytest.raises(ValueError, match=r"frequencies are 1\.\.3"):
            waves.waves([k])


@pytest.mark.parametrize("text", ["ab", "a^2+b", "(a+b)^2", "ab+a+b"])
def test_operations_without_waves_of_their_own_are_refused(text):
    with pytest.raises(ValueError, match=r"c₁a \+ c₂b"):
        decompose(random(5, 5, 5), Operation.parse(text))


def test_what_is_constant_mod_p_or_no_square_is_refused():
    with pytest.raises(ValueError, match="equally often mod 5"):
        phases(Operation.parse("5a+10b"), 5)
    with pytest.raises(ValueError, match="3 × 5"):
        decompose(random(3, 5, 5), SUM)


# --- the losses -----------------------------------------------------------------------------------


def slow_losses(logits, operation, key, constant, train):
    """Table 4 from its definition: explicit sums over inputs, in numpy, one direction at a time."""
    p = len(logits)
    a, b = np.meshgrid(np.arange(p), np.arange(p), indexing="ij")
    answer = operation(a, b, p)
    frequencies = {}
    for k in range(1, p // 2 + 1):
        frequencies[k] = np.zeros_like(logits)
        for function in (np.cos, np.sin):
            direction = function(2 * np.pi * k * answer / p)
            direction /= np.sqrt((direction**2).sum())
            for n in range(p):
                frequencies[k][:, :, n] += (direction * logits[:, :, n]).sum() * direction
    mean = np.broadcast_to(logits.mean((0, 1)), logits.shape)
    parts = {
        "key": sum((frequencies[k] for k in key), np.zeros_like(logits)),
        "non_key": sum((frequencies[k] for k in frequencies if k not in key), np.zeros_like(logits)),
    }
    rest = logits - parts["key"] - parts["non_key"]
    parts["residual"] = rest if constant == "residual" else rest - mean
    found = {}
    for name, kept in COMBINATIONS.items():
        total = sum(parts[part] for part in kept) + (mean if constant == "kept" else 0)
        each = np.log(np.exp(total).sum(-1)) - np.take_along_axis(total, answer[:, :, None], -1)[:, :, 0]
        found[name] = (each[train].mean(), each[~train].mean(), each.mean())
    return found


@pytest.mark.parametrize("constant", ["residual", "kept"])
@pytest.mark.parametrize("operation", [SUM, DIFFERENCE, Operation.parse("2a-3b+1")], ids=str)
def test_all_rows_of_table_4_against_explicit_sums(operation, constant):
    p, key = 7, (1, 3)
    logits = 2 * random(p, p, p) + waves_of(operation, p, {1: 4.0, 2: 1.0}) + random(p, seed=1)
    table = ablations_of(logits, operation)
    expected = slow_losses(logits.numpy(), operation, key, constant, table.train.numpy())
    found = table.combinations(key, constant)
    assert list(found) == list(COMBINATIONS)
    for name, losses in found.items():
        assert tuple(losses) == pytest.approx(expected[name], rel=1e-10), name


def test_a_perfect_adder_loses_nothing_but_its_key_frequency():
    """Logits A cos(w_k(a+b-c)): each row is a permutation of one and the same, so losses have a closed form."""
    p, A, k = 11, 6.0, 3
    full = math.log(sum(math.exp(A * (math.cos(2 * math.pi * x / p) - 1)) for x in range(p)))
    table = ablations_of(waves_of(SUM, p, {k: A}), SUM)
    blind = math.log(p)
    found = {name: losses.all for name, losses in table.combinations([k]).items()}
    expected = {"full": full, "restricted": full, "(a)": blind, "(b)": blind, "(c)": full, "(d)": full, "(e)": blind}
    assert found == pytest.approx(expected, rel=1e-12)
    ablated = [losses.test for losses in table.ablated()]
    assert ablated == pytest.approx([blind if j == k else full for j in range(1, p // 2 + 1)], rel=1e-12)
    assert table.excluded([k]) == pytest.approx(blind, rel=1e-12)
    wrong = Ablations(decompose(table.waves.logits, DIFFERENCE), table.labels, table.train)
    assert wrong.restricted([k]).all == pytest.approx(blind), "a+b read along the waves of a-b"


def test_small_losses_keep_their_digits():
    p, A = 11, 120.0
    full = sum(math.exp(A * (math.cos(2 * math.pi * x / p) - 1)) for x in range(1, p))
    assert full < 1e-7
    assert ablations_of(waves_of(SUM, p, {1: A}), SUM).restricted([1]).train == pytest.approx(full, rel=1e-6)


def test_the_named_losses_are_rows_of_the_table():
    table, key = ablations_of(3 * random(7, 7, 7), SUM), (2,)
    rows = table.combinations(key)
    assert table.excluded(key) == pytest.approx(rows["(e)"].train, rel=1e-12)
    for constant in ("residual", "kept"):
        assert table.restricted(key, constant) == table.combinations(key, constant)["restricted"]
        nested = table.nested([2, 1, 3], constant)
        assert nested[0] == pytest.approx(table.restricted([2], constant))
        assert nested[-1] == pytest.approx(table.combinations(key, constant)["(c)"])
    with pytest.raises((ValueError, TypeCheckError)):  # the type checks that tests add come first
        table.restricted(key, "gone")


def test_a_kept_constant_is_in_every_row_and_changes_only_those_without_the_residual():
    table = ablations_of(random(7, 7, 7) + 5 * random(7, seed=2), SUM)
    apart, kept = table.combinations([1]), table.combinations([1], "kept")
    same = {name for name in COMBINATIONS if apart[name] == pytest.approx(kept[name], rel=1e-12)}
    assert same == {name for name, parts in COMBINATIONS.items() if "residual" in parts}


def test_shares_are_squared_norms_of_the_four_parts():
    p = 11
    logits = waves_of(SUM, p, {1: 3.0, 2: 4.0}) + 100.0  # what all classes have in common does not count
    shares = ablations_of(logits, SUM).shares([2])
    assert shares == pytest.approx({"key": 0.64, "non_key": 0.36, "constant": 0.0, "residual": 0.0}, abs=1e-12)


# --- of runs --------------------------------------------------------------------------------------


def test_full_losses_of_a_run_are_those_of_its_history(tiny_run):
    table = restricted.ablations(tiny_run)
    config = tiny_run.config
    tokens = torch.cartesian_prod(torch.arange(7), torch.tensor([config.p + 1]), torch.arange(7))
    assert_close(
        table.waves.logits.flatten(0, 1).float(), model.logits(tiny_run.weights, tokens)[:, :7], rtol=1e-4, atol=1e-5
    )
    assert int(table.train.sum()) == math.floor(0.6 * 49)
    # The history has all p + 5 classes in its softmax, this one p: early in training that still shows.
    full = table.loss(table.waves.logits)
    recomputed = verify.recompute(tiny_run)
    assert full.train < recomputed["train_loss"]
    assert full.test < recomputed["test_loss"]
    accuracy = (table.waves.logits.argmax(-1) == table.labels).double()
    assert float(accuracy[table.train].mean()) == pytest.approx(recomputed["train_accuracy"])


def test_key_frequencies_are_those_of_the_neuron_logit_map(wave_run):
    assert restricted.key_frequencies(wave_run) == (2,)  # W_L is 2 sin 2, W_E is cos 3
    assert restricted.key_frequencies(publish.trimmed(wave_run, weights=False)) == (2,)


def test_a_frequency_is_key_from_half_of_the_largest_norm_on(wave_run):
    """Waves of known amplitudes on both sides of the declared share; 0.4 would take frequency 2 as well."""
    p, amplitudes = wave_run.config.p, {1: 1.0, 2: 0.49, 3: 0.51, 4: 0.41, 5: 0.02}
    x = torch.arange(p, dtype=torch.float64)
    layer = sum(A * torch.cos(2 * math.pi * k * x / p + k) for k, A in amplitudes.items())[:, None]
    rows = fourier.spectrum(layer).to_rows().float()
    run = replace(wave_run, spectra=wave_run.spectra._replace(neuron_logit=rows.expand(5, p)))
    assert restricted.key_frequencies(run) == (1, 3)
    assert restricted.key_frequencies(run, 0.4) == (1, 2, 3, 4)


def test_key_frequencies_of_the_published_runs_are_those_of_the_chapter():
    """They hold for any share from 0.4 to 0.55; of a-b, 0.6 would lose frequency 1."""
    store, chapter = default_store(), (ROOT / "notebooks" / "restricted_loss.md").read_text()
    assert f"eta = {restricted.ETA}  # key frequencies" in chapter
    for operation, key in (("a+b", (14, 18, 35)), ("a-b", (1, 3, 11, 13, 18))):
        run = store.get(configs.single(operation, p=97, fraction=0.3, seed=0))
        assert restricted.key_frequencies(run) == key


def test_each_operation_of_a_mixture_has_its_own_waves(tiny_mixture):
    first = restricted.ablations(tiny_mixture, 0)
    assert torch.equal(first.labels, first.waves.phase)
    with pytest.raises(ValueError, match="no waves of its own"):
        restricted.ablations(tiny_mixture, 1)


def test_a_run_with_operands_beyond_the_residues_is_looked_at_on_the_residues(tiny, tiny_run):
    config = tiny("a-b", operands="vocab")
    table = restricted.ablations(replace(tiny_run, config=config))
    a, b = torch.arange(7)[:, None], torch.arange(7)[None]
    assert torch.equal(table.labels, (a - b) % 7)
    assert table.train.shape == (7, 7)


def test_a_run_without_weights_is_refused(tiny_run):
    with pytest.raises(WeightsMissing, match="published without its weights"):
        restricted.ablations(replace(tiny_run, kept_weights=None))


def test_losses_over_training_are_those_of_each_moment(tiny_run):
    found = restricted.over_training(tiny_run, weights_along(tiny_run, progress=False))
    steps = tiny_run.spectra.step.tolist()
    assert found["step"].unique().tolist() == steps
    assert len(found) == len(steps) * len(restricted.COMBINATIONS) * 2

    history = tiny_run.history.set_index("step")
    full = found[(found["left"] == "full") & (found["constant"] == "kept")].set_index("step")
    for part in ("train", "test"):
        # The history's softmax is over the whole vocabulary, that of restricted loss over the p residues.
        assert (full[part] < history.loc[steps, f"{part}_loss"]).all()

    key = restricted.key_frequencies(tiny_run)
    last = found[found["step"] == steps[-1]].set_index(["left", "constant"])
    end = restricted.ablations(tiny_run)
    assert last.loc[("restricted", "kept"), "all"] == pytest.approx(end.restricted(key, "kept").all)
    assert last.loc[("(e)", "residual"), "train"] == pytest.approx(end.excluded(key))
    first = found[found["step"] == 0].set_index(["left", "constant"])
    start = restricted.ablations_of(tiny_run.config, next(weights_along(tiny_run, progress=False))[1])
    assert first.loc[("restricted", "residual"), "test"] == pytest.approx(start.restricted(key).test)


def test_a_table_has_no_waves_of_its_own(division):
    with pytest.raises(ValueError, match="a/b has no waves of its own"):
        phases(division, 7)


def test_a_loss_is_on_one_side_of_the_full_one_or_the_same():
    ratios = [restricted.ratio(loss, 2.0) for loss in (1.0, 1.9, 2.1, 2.3)]
    assert [restricted.side(each) for each in ratios] == [-1, 0, 0, 1]
    assert math.isnan(restricted.ratio(1.0, 0.0))
