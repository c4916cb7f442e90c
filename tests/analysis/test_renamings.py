"""Renamed tables and models, against formulas by hand and against spectra of permuted rows."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grokbook import Operation, RunConfig, fourier, measures, train
from grokbook.analysis import renamings
from grokbook.analysis.coordinates import RESIDUES, Logarithms, Preimages, Values
from grokbook.analysis.renamings import Map, relabelled, renaming, spectrum_over
from grokbook.data.tokens import op_tokens
from grokbook.model.weights import initialise

NEAR = {"rtol": 1e-5, "atol": 1e-5}
"""How far spectra may be apart: angles of waves are computed in float32."""


@pytest.mark.parametrize(
    ("f", "g", "pi", "sigma"),
    [
        ("a+b", "a^5+b^5", "x⁵", "x"),
        ("a+b", "(a+b)^7", "x", "x⁷"),
        ("ab", "ab+a+b", "x + 1", "x − 1"),
        ("ab+b", "ab-b", "−x", "x"),
        ("a^2+b", "a^2-b", "−x", "x"),
        ("a^3+2b", "a^3-2b", "22x", "22x"),
        ("(a+b)^2", "(a+b)^2+a+b", "x − 24", "x + 24"),
    ],
)
def test_operations_of_the_paper_come_from_each_other_by_simple_formulas(f, g, pi, sigma):
    found = renaming(f, g, 97)
    assert (found.pi.text, found.formula.text) == (pi, sigma)
    tables = [Operation.parse(each).labels(97) for each in (f, g)]
    assert (found.sigma[tables[0][np.ix_(found.pi.values, found.pi.values)]] == tables[1]).all()
    assert sorted(found.sigma) == list(range(97))


@pytest.mark.parametrize(("f", "g"), [("a+b", "a-b"), ("a+b", "ab"), ("a+b", "(a+b)^2")])
def test_where_no_map_does_there_is_none(f, g):
    assert renaming(f, g, 11) is None


def test_refuses_what_is_constant():
    with pytest.raises(ValueError, match="same value"):
        renaming("a+b", "7a+7b", 7)


@given(st.integers(1, 6), st.integers(1, 10), st.integers(0, 10))
def test_the_text_of_a_map_reads_as_the_map(n, m, k):
    each = Map(11, n, m, k)
    code = each.text.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹−", "0123456789-"))
    head, _, tail = code.partition("x")
    power = tail.partition(" ")[0]
    factor = {"": 1, "-": -1}.get(head) or int(head)
    shift = int(tail.partition(" ")[2].replace(" ", "") or 0)
    assert [(factor * x ** int(power or 1) + shift) % 11 for x in range(11)] == each.values.tolist()


@pytest.mark.parametrize(("f", "g"), [("a+b", "a^3+b^3"), ("a+b", "(a+b)^3"), ("ab", "ab+a+b")])
def test_a_relabelled_model_gives_each_pair_the_logits_of_the_other_operation(f, g):
    p, by = 11, renaming(f, g, 11)
    weights = initialise(p + 5, d_model=8, n_heads=2, d_mlp=16, rng=np.random.default_rng(0))
    pairs = torch.cartesian_prod(torch.arange(p), torch.arange(p))
    config = RunConfig(operations=(f,), p=p)
    network = renamings.model.of(config)

    def logits(weights, pairs, operation):
        sign = torch.full((len(pairs),), op_tokens([Operation.parse(operation)], p)[0])
        return network.fast_logits(weights, torch.stack([pairs[:, 0], sign, pairs[:, 1]], 1))

    pi, sigma = torch.tensor(by.pi.values), torch.tensor(by.sigma)
    after, before = logits(relabelled(weights, by), pairs, g), logits(weights, pi[pairs], f)
    torch.testing.assert_close(after[:, sigma], before[:, :p])
    torch.testing.assert_close(after[:, p:], before[:, p:])


def test_over_the_residues_the_spectrum_is_the_usual_one():
    layer = torch.randn(11, 4, generator=torch.Generator().manual_seed(0))
    for one, other in zip(spectrum_over(layer, RESIDUES), fourier.spectrum(layer.double()), strict=True):
        torch.testing.assert_close(one, other, **NEAR)


def test_over_its_own_coordinate_a_relabelled_layer_is_what_it_was():
    p, layer = 11, torch.randn(11, 4, generator=torch.Generator().manual_seed(0))
    cubes = torch.tensor([pow(x, 3, p) for x in range(p)])
    plain = fourier.spectrum(layer.double())
    embedding = spectrum_over(layer[cubes], Values(Operation.parse("a^3")))
    moved = torch.empty_like(layer)
    moved[cubes] = layer
    for found in (embedding, spectrum_over(moved, Preimages(Operation.parse("a^3")))):
        torch.testing.assert_close(found.cosine, plain.cosine, **NEAR)
        torch.testing.assert_close(found.sine, plain.sine, **NEAR)
    assert measures.ffs(embedding) == measures.ffs(plain)


def test_a_logarithm_has_no_last_frequency():
    p = 11
    wave = fourier.multiplicative_basis(p)[3].float()  # cos 2 over log x
    found = spectrum_over(torch.outer(wave, torch.ones(2)), Logarithms(0))
    assert len(found.cosine) == len(found.sine) == p // 2 - 1
    assert found.cosine.argmax() == 1
    assert float(found.sine.max()) < 1e-5


def test_readings_of_a_run_and_of_the_same_relabelled(tiny):
    (run,) = train([tiny(p=11)], "cpu", progress=False)
    before, after = renamings.readings(run), renamings.relabelled_readings(run, "a^3+b^3")
    assert [each.layer for each in before] == [each.layer for each in after] == ["embedding", "neuron_logit"]
    assert {each.what for each in after} == {"a+b, x → x³"}
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(one.own.cosine, other.own.cosine, **NEAR)
    assert not torch.allclose(before[0].over_residues.cosine, after[0].over_residues.cosine.float())
    assert renamings.relabelled_readings(run, "(a+b)^3")[0].what == "a+b, c → c³"
    answers = run.answers[0] == renamings.dataset(run.config).labels[0]
    assert renamings.relabelled_accuracy(run, "a^3+b^3") == pytest.approx(float(answers.double().mean()))
    with pytest.raises(ValueError, match="does not become a model of"):
        renamings.relabelled_accuracy(run, "a-b")


def test_without_weights_nothing_is_known_over_another_coordinate(tiny_run):
    without = replace(tiny_run, kept_weights=None)
    assert [each.own for each in renamings.readings(without)] == [None, None]
    assert all(each.own is not None for each in renamings.readings(tiny_run))
