import math
from dataclasses import replace

import pytest
import torch
from figure_runs import mixture

from grokbook.analysis.mixtures import later, order, over_alone, part


def test_a_part_has_the_outcome_and_the_maps_of_its_operation(tiny):
    run = mixture(tiny)
    plus, minus = part(run, "b+a"), part(run, "a-b")
    assert plus.config.operations == ("a+b",)
    assert (plus.grok_step, minus.grok_step, run.grok_step) == (10, None, None)
    assert plus.history["test_accuracy"].tolist() == run.history["test_accuracy[a+b]"].tolist()
    assert minus.history["train_loss"].tolist() == run.history["train_loss[a-b]"].tolist()
    assert not [column for column in plus.history if "[" in column]
    for index, each in enumerate((plus, minus)):
        assert torch.equal(each.spectra.logits[:, 0], run.spectra.logits[:, index])
        assert torch.equal(each.spectra.embedding, run.spectra.embedding)
        assert each.history["ffs_embedding"].equals(run.history["ffs_embedding"])
        assert not each.has_weights
    assert "test_accuracy[a+b]" in run.history, "the mixture is left as it was"


def test_a_single_run_is_its_own_part_and_another_has_none(tiny, wave_run):
    assert part(wave_run, "a+b") is wave_run
    with pytest.raises(ValueError, match="has no ab"):
        part(mixture(tiny), "ab")
    with pytest.raises(ValueError, match="has no a-b"):
        part(wave_run, "a-b")


def test_a_table_in_a_mixture_is_a_part_like_any_other(tiny_table, division):
    alone = part(tiny_table, division)
    assert alone.config.operations == (division,)
    assert alone.history["test_loss"].tolist() == tiny_table.history["test_loss[a/b]"].tolist()


def reaching(run, *accuracies):
    """A mixture whose operations have these test accuracies at steps 10 and 20."""
    columns = {
        f"test_accuracy[{name}]": [0.0, *each] for name, each in zip(run.config.operations, accuracies, strict=True)
    }
    history = run.history.iloc[[0, 0, 0]].assign(**columns, step=[0, 10, 20])
    return replace(run, history=history.astype("float32"))


def test_what_is_never_learned_is_later_than_what_is(tiny_mixture):
    first, second, third = tiny_mixture.config.operations
    half = (0.5, 0.5)
    assert math.isnan(later(reaching(tiny_mixture, half, half, half), first, (second, third), 0.99))
    run = reaching(tiny_mixture, half, (0.99, 0.5), half)
    assert later(run, second, (first, third), 0.99) == -10
    assert later(run, first, (second, third), 0.99) == 0, "as late as the other one that never does"
    assert later(run, third, (second,), 0.99) == 10
    assert later(run, first, (second, third), 0.5) == 0


def test_over_alone_is_taken_after_as_many_steps(tiny_run):
    together = replace(tiny_run, history=tiny_run.history.iloc[:2].assign(step=[0, 10], test_accuracy=[0.1, 0.6]))
    alone = tiny_run.history.iloc[:3].assign(step=[0, 10, 20], test_accuracy=[0.1, 0.3, 0.9])
    assert over_alone(together, replace(tiny_run, history=alone)) == pytest.approx(2)


def test_operations_are_put_in_the_order_of_their_steps():
    assert order({"a": 30, "b": 10, "c": None, "d": 20}) == ("b", "d", "a")
    assert order({"a": 30, "b": None}) == order({}) == (), "one alone has no order"


def test_a_part_has_the_answers_of_its_operation(tiny_mixture):
    run = replace(tiny_mixture, kept_weights=None, kept_answers=tiny_mixture.answers)
    for index, operation in enumerate(run.config.operations):
        assert torch.equal(part(run, operation).answers, tiny_mixture.answers[index : index + 1])
