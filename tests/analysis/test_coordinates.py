import math
from collections.abc import Iterable
from dataclasses import replace

import pytest
import torch

from grokbook import data, fourier, model
from grokbook.analysis import coordinates
from grokbook.analysis.coordinates import RESIDUES, Logarithms, Natural, Preimages, Values
from grokbook.data.operations import Operation
from grokbook.errors import WeightsMissing
from grokbook.fourier import measures

P = 13
X = torch.arange(P)
parse = Operation.parse


def wave(turns: torch.Tensor, k: int, period: int = P) -> torch.Tensor:
    """Cosine and sine of frequency k over what is given, as two channels."""
    angles = 2 * math.pi * k / period * turns.double()
    return torch.stack([angles.cos(), angles.sin()], dim=1)


# --- which coordinates an operation has -----------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "embedding", "neuron_logit"),
    [
        ("a+b", "x", "x"),
        ("b-2a+1", "x", "x"),
        ("2a^2-3b^2+1", "x²", "x"),
        ("ab", "log x", "log x"),
        ("ab+3", "log x", "log(x − 3)"),
        ("ab+a+b", "log(x + 1)", "log(x + 1)"),
        ("ab-2a-2b", "log(x − 2)", "log(x + 4)"),
        ("a^2+b^2", "x²", "x"),
        ("b^3-a^3", "x³", "x"),
        ("(a+b)^2", "x", "s (x = s²)"),
        ("(a-b)^2+a-b", "x", "s (x = s²+s)"),
    ],
)
def test_coordinates_follow_from_the_formula(operation, embedding, neuron_logit):
    found = coordinates.natural(parse(operation))
    assert (found.embedding.name, found.neuron_logit.name) == (embedding, neuron_logit)


@pytest.mark.parametrize(
    "operation", ["a", "ab+b", "ab-b", "2ab", "a^2+b^3", "a^2+b", "a^2+ab+b^2", "a^3+ab", "a^2b^2", "a^2"]
)
def test_others_have_none(operation):
    assert coordinates.natural(parse(operation)) is None


def inverse(coordinate: coordinates.Coordinate, answer: int) -> set[int]:
    """The numbers of a layer's coordinate that stand for a residue."""
    match coordinate:
        case Values(u):
            return {u(answer, 0, P)}
        case Preimages(h):
            return {s for s in range(P) if h(s, 0, P) == answer}
        case Logarithms(shift):
            logs = fourier.discrete_logs(P).tolist()
            return {logs[(answer + shift) % P - 1]} if (answer + shift) % P else set()
    raise AssertionError(coordinate)


@pytest.mark.parametrize(
    "operation", ["a+b", "2a-3b+1", "2a^2-3b^2+1", "ab", "ab+2", "ab+a+b", "ab-2a-2b+5", "a^2-b^2", "(a-b)^3"]
)
def test_in_its_coordinates_an_operation_is_a_sum(operation):
    """k u(a) + l u(b) + m is a number of the answer, with the same k, l and m for every pair."""
    op = parse(operation)
    found = coordinates.natural(op)
    period = P - 1 if isinstance(found.embedding, Logarithms) else P
    pairs = [(a, b) for a in range(P) for b in range(P)]
    known = [
        (u.pop(), v.pop(), answers)
        for a, b in pairs
        if (u := inverse(found.embedding, a))
        and (v := inverse(found.embedding, b))
        and (answers := inverse(found.neuron_logit, op(a, b, P)))
    ]
    assert len(known) >= (P - 1) ** 2
    assert any(
        all((k * u + l * v + m) % period in answers for u, v, answers in known)
        for k in range(1, period)
        for l in range(1, period)  # noqa: E741
        for m in range(period)
    )


# --- taking layers apart --------------------------------------------------------------------------

EVERY = [RESIDUES, Values(parse("a^2")), Values(parse("a^3")), Logarithms(0), Logarithms(3), Preimages(parse("a^2+a"))]
each_coordinate = pytest.mark.parametrize("coordinate", EVERY, ids=lambda each: each.name)


def random_layer(p: int = P, n: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.randn(p, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def places(coordinate: coordinates.Coordinate, p: int) -> tuple[list[int], list[int], int]:
    """By trial: the rows of a layer that a coordinate reads, where they are on the circle, and how long that is."""
    match coordinate:
        case Values(u):
            return list(range(p)), [u(x, 0, p) for x in range(p)], p
        case Preimages(h):
            return [h(s, 0, p) for s in range(p)], list(range(p)), p
        case Logarithms(shift):
            root = next(g for g in range(2, p) if len({pow(g, e, p) for e in range(p - 1)}) == p - 1)
            rows = [x for x in range(p) if (x + shift) % p]
            return rows, [next(e for e in range(p) if pow(root, e, p) == (x + shift) % p) for x in rows], p - 1
    raise AssertionError(coordinate)


def explained(layer: torch.Tensor, coordinate: coordinates.Coordinate, frequencies: Iterable[int]) -> float:
    """The share of a layer that a constant and the waves of some frequencies explain, by textbook least squares."""
    rows, steps, period = places(coordinate, len(layer))
    columns = [torch.ones(len(rows), 1, dtype=torch.float64)]
    columns += [wave(torch.tensor(steps), k, period) for k in frequencies]
    target = layer[rows].double()
    fit = torch.linalg.lstsq(torch.cat(columns, dim=1), target, driver="gelsd").solution
    rest = target - torch.cat(columns, dim=1) @ fit
    return 1 - float(rest.square().sum() / (target - target.mean(0)).square().sum())


@pytest.mark.parametrize("p", [31, 97])
@pytest.mark.parametrize(
    "coordinate", [RESIDUES, *(Values(parse(f"a^{n}")) for n in range(2, 7)), Logarithms(1)], ids=lambda each: each.name
)
def test_a_layer_of_one_wave_has_one_leading_frequency(coordinate, p):
    """Also where waves are far from orthogonal, as those over x⁵ at p = 31, which takes seven values."""
    rows, steps, period = places(coordinate, p)
    for k in (1, 7, p // 2):
        layer = torch.full((p, 2), 9.0, dtype=torch.float64)
        layer[rows] = 5 + 3 * wave(torch.tensor(steps), k, period)
        found = coordinates.leading(layer, coordinate, 0.99)
        assert len(found.frequencies) == 1
        assert found.shares[0] == pytest.approx(1)
        assert explained(layer, coordinate, [k]) == pytest.approx(1)


@each_coordinate
def test_each_leading_frequency_explains_most_of_what_is_left(coordinate):
    layer = random_layer(n=2, seed=3)
    found = coordinates.leading(layer, coordinate, 1.0)
    for n, (frequency, share) in enumerate(zip(found.frequencies, found.shares, strict=True)):
        before = found.frequencies[:n]
        gains = {k: explained(layer, coordinate, [*before, k]) for k in range(1, P // 2 + 1) if k not in before}
        assert share == pytest.approx(max(gains.values()), abs=1e-5)
        assert gains[frequency] == pytest.approx(max(gains.values()), abs=1e-5)
    assert found.shares[-1] == pytest.approx(explained(layer, coordinate, range(1, P // 2 + 1)), abs=1e-4)


def test_what_is_no_function_of_the_coordinate_is_not_explained():
    """Noise that differs in sign at x and -x cancels where they are added up; it must count all the same."""
    noise = 100 * random_layer()
    layer = wave(X**2 % P, 3).repeat(1, 2) + noise - noise[-X % P]
    found = coordinates.leading(layer, Values(parse("a^2")))
    assert found.needed(0.8) is None
    assert found.shares[-1] < 0.01


def test_frequencies_that_are_needed_are_counted():
    found = coordinates.Leading((5, 2, 7), (0.5, 0.8, 0.9))
    assert [found.needed(share) for share in (0.1, 0.5, 0.6, 0.9, 0.95)] == [1, 1, 2, 3, None]


def test_leading_frequencies_end_where_their_share_is_reached():
    layer = random_layer()
    few, many = (coordinates.leading(layer, RESIDUES, share) for share in (0.5, 0.9))
    assert few.shares[-1] >= 0.5 > few.shares[-2]
    assert many.frequencies[: len(few.frequencies)] == few.frequencies


@pytest.mark.parametrize("p", [7, 13, 31])
@pytest.mark.parametrize("shift", [0, 2])
def test_waves_of_even_frequency_over_a_logarithm_are_what_is_alike_for_both_signs(p, shift):
    layer = torch.randn(p, 3, generator=torch.Generator().manual_seed(p))
    rows = layer.roll(shift, dims=0)[1:]  # of x + shift = 1, …, p - 1: the negative ones are these from behind
    rows = rows - rows.mean(dim=0)
    alike = (rows + rows.flip(0)) / 2
    expected = float(alike.square().sum() / rows.square().sum())
    assert coordinates.even_share(layer, Logarithms(shift)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("frequency", [1, 2, 3, 4])
def test_over_the_residues_waves_of_even_frequency_are_cosines(frequency):
    p = 13
    angles = 2 * math.pi * frequency * fourier.discrete_logs(p).double() / (p - 1)
    layer = torch.cat([torch.zeros(1, 2), torch.stack([angles.cos(), angles.sin()], dim=1)])
    even = float(frequency % 2 == 0)
    assert coordinates.even_share(layer, Logarithms(0)) == pytest.approx(even, abs=1e-9)
    spectrum = fourier.spectrum(layer)
    assert measures.cosine_share(spectrum) == pytest.approx(even, abs=1e-9)
    assert measures.fcr(spectrum) == pytest.approx(0, abs=1e-6)


def test_an_averaged_layer_is_a_function_of_the_values():
    layer = random_layer()
    even = coordinates.averaged(layer, Values(parse("a^2")))
    torch.testing.assert_close(even, (layer + layer[-X % P]) / 2)
    for injective in (RESIDUES, Values(parse("a^5")), Logarithms(2), Preimages(parse("a^2"))):
        torch.testing.assert_close(coordinates.averaged(layer, injective), layer)


# --- keeping some waves ---------------------------------------------------------------------------

SPANNED = [coordinate for coordinate in EVERY if not isinstance(coordinate, Preimages)]
each_spanned = pytest.mark.parametrize("coordinate", SPANNED, ids=lambda each: each.name)


@each_spanned
def test_what_is_kept_and_what_is_removed_make_up_the_layer(coordinate):
    layer = random_layer().float()
    kept, removed = coordinates.split(layer, coordinate, [1, 4])
    assert kept.dtype == removed.dtype == layer.dtype
    rows, *_ = places(coordinate, P)
    lone = [x for x in range(P) if x not in rows]
    torch.testing.assert_close(kept[lone], layer[lone])
    torch.testing.assert_close(removed[lone], layer[lone])
    mean = layer[rows].mean(0)
    torch.testing.assert_close(kept[rows] + removed[rows] - mean, layer[rows])
    torch.testing.assert_close(kept[rows].mean(0), mean)
    share = float((kept[rows] - mean).square().sum() / (layer[rows] - mean).square().sum())
    assert share == pytest.approx(explained(layer, coordinate, [1, 4]), rel=1e-4)
    assert explained(removed, coordinate, [1, 4]) == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(coordinates.split(kept, coordinate, [1, 4])[0], kept)


@each_spanned
def test_without_frequencies_a_layer_is_its_mean_or_as_it_is(coordinate):
    layer = random_layer()
    kept, removed = coordinates.split(layer, coordinate, [])
    rows, *_ = places(coordinate, P)
    torch.testing.assert_close(kept[rows], layer[rows].mean(0).expand(len(rows), -1))
    torch.testing.assert_close(removed, layer)


def test_dimensions_count_independent_waves():
    assert coordinates.dimensions(RESIDUES, 97, [1, 5]) == 4
    assert coordinates.dimensions(RESIDUES, 97, range(1, 49)) == 96
    assert coordinates.dimensions(Logarithms(), 97, [47, 48]) == 3
    assert coordinates.dimensions(Values(parse("a^2")), 97, range(1, 49)) == 48
    assert coordinates.dimensions(Values(parse("a^4")), 5, [1]) == 1, "x⁴ is 0 or 1 there: all waves are one"


# --- what waves are worth to a model --------------------------------------------------------------


def accuracy(run, embedding) -> float:
    """By the textbook pass, pair by pair."""
    config, weights = run.config, run.weights
    table = data.make(config.parsed_operations, config.p, config.fraction, config.seed, config.operands)
    changed = weights._replace(W_E=torch.cat([embedding, weights.W_E[config.p :]]))
    answers = model.textbook_logits(changed, table.tokens[0])[0].argmax(-1)
    right = [int(answers[i] == table.labels[0, i]) for i in range(len(answers)) if not table.train[i]]
    return sum(right) / len(right)


@each_spanned
def test_restrictions_test_the_model_with_each_part_of_its_embedding(grokked_run, coordinate):
    embedding = grokked_run.weights.W_E[: grokked_run.config.p]
    found = coordinates.restriction(grokked_run, coordinate, [1, 2])
    parts = embedding, *coordinates.split(embedding, coordinate, [1, 2])
    assert found == pytest.approx([accuracy(grokked_run, part) for part in parts])
    assert found.whole == pytest.approx(float(grokked_run.history["test_accuracy"].iloc[-1]), abs=1e-6)


def test_without_any_wave_a_model_cannot_tell_one_operand_from_another(grokked_run):
    all_waves = coordinates.restriction(grokked_run, RESIDUES, range(1, grokked_run.config.p // 2 + 1))
    assert all_waves.kept == all_waves.whole
    assert all_waves.removed < 0.5 < all_waves.whole


def test_only_single_operations_with_weights_are_taken_apart(tiny_run, tiny_mixture):
    bare = replace(tiny_run, kept_weights=None)
    with pytest.raises(WeightsMissing, match="published without its weights"):
        coordinates.restriction(bare, RESIDUES, [1])
    with pytest.raises(ValueError, match="several operations"):
        coordinates.restriction(tiny_mixture, RESIDUES, [1])
    assert coordinates.of_run(tiny_run) == Natural(RESIDUES, RESIDUES)
    assert coordinates.of_run(bare) is None
    assert coordinates.of_run(tiny_mixture) is None


def test_equal_coordinates_are_equal():
    assert coordinates.natural(parse("a-b")) == Natural(RESIDUES, RESIDUES)
    assert coordinates.natural(parse("(a-b)^2")) == coordinates.natural(parse("(a+b)^2"))
    assert len({Logarithms(0), Logarithms(), Logarithms(1)}) == 2


def test_a_table_has_no_natural_coordinates(division):
    assert coordinates.natural(division) is None
