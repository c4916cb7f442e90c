"""Twins by definition, one pair after the other; and what arithmetic says of powers."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokbook import data, model
from grokbook.analysis import symmetry
from grokbook.data.catalogue import CATALOGUE
from grokbook.data.operations import Operation
from grokbook.errors import WeightsMissing
from grokbook.runs import publish

EVERY_OPERATION = [operation for group in CATALOGUE.values() for operation in group]


def slow(operation, p, fraction, seed):
    def of_a(a):
        return tuple(operation(a, b, p) for b in range(p))

    def of_b(b):
        return tuple(operation(a, b, p) for a in range(p))

    train = data.split(p * p, fraction, seed).tolist()
    kinds = [(of_a(a), of_b(b)) for a in range(p) for b in range(p)]
    known = {kind for kind, drawn in zip(kinds, train, strict=True) if drawn}
    tested = [kind for kind, drawn in zip(kinds, train, strict=True) if not drawn]
    return sum(kind in known for kind in tested) / len(tested)


@pytest.mark.parametrize("n", range(2, 8))
@pytest.mark.parametrize("p", [7, 31, 97])
def test_a_power_has_as_many_values_as_arithmetic_says(n, p):
    of_a, of_b = symmetry.classes(Operation.parse(f"a^{n}+2b"), p)
    assert of_a.max() + 1 == (p - 1) // math.gcd(n, p - 1) + 1
    assert sorted(of_b) == list(range(p))


def test_values_are_alike_where_the_operation_is():
    of_a, of_b = symmetry.classes(Operation.parse("a^2+b"), 7)
    assert all(of_a[x] == of_a[-x % 7] for x in range(7))
    assert len(set(of_a.tolist())) == 4
    assert len(set(of_b.tolist())) == 7


@given(st.sampled_from(EVERY_OPERATION), st.sampled_from([5, 7, 11]), st.floats(0.1, 0.9), st.integers(0, 5))
def test_the_share_is_that_of_the_definition(operation, p, fraction, seed):
    assert symmetry.share_with_twins(operation, p, fraction, seed) == pytest.approx(slow(operation, p, fraction, seed))


@pytest.mark.parametrize(("p", "fraction", "seed"), [(7, 0.3, 0), (11, 0.8, 3)])
def test_mirror_images_are_those_of_the_definition(tiny, p, fraction, seed):
    train = data.split(p * p, fraction, seed).reshape(p, p).tolist()
    known = symmetry.mirrored(tiny(p=p, fraction=fraction, seed=seed))
    assert all(known[a, b] == (train[b][a] and not train[a][b]) for a in range(p) for b in range(p))
    assert not known.diagonal().any()


def test_accuracies_by_mirror_are_those_of_the_textbook_model(tiny_run):
    config = tiny_run.config
    table = data.make(config.parsed_operations, config.p, config.fraction, config.seed)
    answers = model.textbook_logits(tiny_run.weights, table.tokens[0])[0].argmax(-1)
    right = (answers == table.labels[0]).double().reshape(config.p, config.p).numpy()
    known = symmetry.mirrored(config)
    other = ~table.train.reshape(config.p, config.p).numpy() & ~known
    found = symmetry.by_mirror(tiny_run)
    assert found == pytest.approx((right[known].mean(), right[other].mean()))
    whole = (found.mirrored * known.sum() + found.others * other.sum()) / (known.sum() + other.sum())
    assert whole == pytest.approx(tiny_run.history["test_accuracy"].iloc[-1], abs=1e-6)


def test_answers_tell_as_much_as_weights(tiny_run):
    bare = publish.trimmed(tiny_run, weights=False, answers=True)
    assert not bare.has_weights
    assert symmetry.by_mirror(bare) == symmetry.by_mirror(tiny_run)


def test_mirror_images_need_a_symmetric_operation_and_weights(tiny_run, tiny_transfer, tiny_mixture):
    for run in (tiny_transfer, tiny_mixture):
        for find in (symmetry.by_mirror, lambda run: symmetry.mirrored(run.config)):
            with pytest.raises(ValueError, match="symmetric operations over residues"):
                find(run)
    with pytest.raises(WeightsMissing, match="without its weights"):
        symmetry.by_mirror(replace(tiny_run, kept_weights=None))


def test_no_data_set_no_share():
    with pytest.raises(ValueError, match="prime"):
        symmetry.share_with_twins(Operation.parse("a+b"), 8, 0.3, 0)
