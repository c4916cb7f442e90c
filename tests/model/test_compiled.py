import ctypes
import logging

import numpy as np
import pytest
import torch
from small_models import CASES, SIZES, train_rows

from grokbook.model import backward, compiled, compiler
from grokbook.model.plan import Plan, Rows
from grokbook.model.weights import Weights, initialise, stack
from grokbook.runs.initial import initial_weights
from grokbook.training.engine import Stack

SINGLE = {name: case for name, case in CASES.items() if len(case) == 1}
needs_compiler = pytest.mark.skipif(compiled._library() is None, reason="the source does not compile here")


class Library(ctypes.CDLL):
    """Stands for a compiled source."""

    def __init__(self, gradients):
        self.gradients = gradients


@pytest.fixture
def afresh(monkeypatch):
    """The library is looked for anew, and again after the test."""
    monkeypatch.delenv(compiled.VARIABLE, raising=False)
    found = compiled._library
    found.cache_clear()
    yield
    found.cache_clear()


def problem_of(config, sizes=SIZES) -> tuple[Weights, Plan, torch.Tensor]:
    rng = np.random.default_rng(config.seed)
    weights = stack([initialise(config.d_vocab, rng=rng, **sizes).map(lambda w: 1.5 * w)])
    tokens, labels = train_rows(config)
    return weights, Plan.of(Rows.of(tokens[None]), sizes["n_heads"], config.d_vocab), labels[None]


def errors(found, expected) -> dict[str, float]:
    """How far gradients are from those in float64, as shares of the largest."""
    return {
        name: float((found[name] - gradient).abs().max() / gradient.abs().max()) for name, gradient in expected.items()
    }


def assert_as_exact_as_torch(weights, plan, labels) -> None:
    expected = backward.gradients(weights.map(torch.Tensor.double), plan, labels, 0.37)
    of_torch = errors(backward.gradients(weights, plan, labels, 0.37), expected)
    of_c = errors(compiled.gradients(weights, compiled.Order(plan, weights), labels, 0.37), expected)
    assert all(error < max(5 * of_torch[name], 2e-6) for name, error in of_c.items()), (of_c, of_torch)


@needs_compiler
@pytest.mark.parametrize("case", SINGLE.values(), ids=SINGLE.keys())
@pytest.mark.parametrize("model", ["transformer", "separate"])
def test_gradients_are_as_exact_as_those_of_torch(case, model, tiny):
    ((operations, changes),) = case
    if model == "separate" and "operands" in changes:
        pytest.skip("it has residues alone")
    assert_as_exact_as_torch(*problem_of(tiny(*operations, p=11, **changes, model=model)))


@needs_compiler
@pytest.mark.parametrize("n_heads", compiled.HEADS)
@pytest.mark.parametrize(("d_head", "d_mlp"), [(4, 64), (5, 83)])
def test_sizes_need_not_fit_the_processor_s_vectors(n_heads, d_head, d_mlp, tiny):
    sizes = {"d_model": n_heads * d_head, "n_heads": n_heads, "d_mlp": d_mlp}
    assert_as_exact_as_torch(*problem_of(tiny(p=23, fraction=0.5), sizes))


@needs_compiler
def test_the_papers_size(tiny):
    sizes = {"d_model": 128, "n_heads": 4, "d_mlp": 512}
    assert_as_exact_as_torch(*problem_of(tiny(p=97, fraction=0.3), sizes))


@needs_compiler
def test_only_trained_matrices_get_gradients(tiny):
    weights, plan, labels = problem_of(tiny())
    found = compiled.gradients(weights, compiled.Order(plan, weights), labels, 1.0, {"W_O", "W_E"})
    assert tuple(found) == ("W_E", "W_O")


@needs_compiler
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", Weights._fields)
def test_what_is_not_finite_is_not_hidden(value, name, tiny):
    weights, plan, labels = problem_of(tiny())
    getattr(weights, name).view(-1)[0] = value
    found = compiled.gradients(weights, compiled.Order(plan, weights), labels, 1.0)
    expected = backward.gradients(weights, plan, labels, 1.0)
    for matrix, gradient in expected.items():
        assert bool(found[matrix].isfinite().all()) == bool(gradient.isfinite().all()), matrix


@needs_compiler
def test_a_sure_and_right_answer_has_a_gradient_of_nearly_nothing(tiny):
    """The softmax is in float64: what is left of 1 − p is far below the steps of float32 around 1."""
    weights, plan, labels = problem_of(tiny())
    weights = weights._replace(W_U=200 * weights.W_U)
    right = Stack([tiny()], [weights.map(lambda w: w[0])], torch.device("cpu"))
    logits = right._data[0].rows.table_logits(weights, [0])[0, 0]
    best = logits.argmax(-1)[right._data[0].train[0]][None]
    expected = backward.gradients(weights.map(torch.Tensor.double), plan, best, 1.0)
    found = compiled.gradients(weights, compiled.Order(plan, weights), best, 1.0)
    assert 0 < expected["W_E"].abs().max() < 1e-7
    assert max(errors(found, expected).values()) < 1e-3


def weights_after(config, steps: int, by: str) -> list[torch.Tensor]:
    with compiled.steps_by(by):
        single = Stack([config], [initial_weights(config, {})], torch.device("cpu"))
        assert single.facts == {"cpu_step": by}
        single.advance(steps)
        return list(single.weights_of(0))


@needs_compiler
@pytest.mark.parametrize("changes", [{}, {"model": "separate"}, {"frozen": ("W_E",)}])
def test_training_stays_near_that_by_torch(changes, tiny, afresh):
    config = tiny("a-b", "ab+b", p=11, **changes)
    in_c, by_torch = (weights_after(config, 10, by) for by in compiled.CHOICES)
    assert all((x - y).abs().median() < 1e-5 for x, y in zip(in_c, by_torch, strict=True))
    again = weights_after(config, 10, "c")
    assert all(torch.equal(x, y) for x, y in zip(in_c, again, strict=True))


@needs_compiler
def test_a_run_that_takes_another_s_place_gets_an_order_of_its_own(tiny, afresh):
    first, second = tiny("a+b", seed=0), tiny("a*b", seed=1)
    replaced = Stack([first], [initial_weights(first, {})], torch.device("cpu"))
    replaced.advance(3)
    replaced.replace(0, second, initial_weights(second, {}))
    replaced.advance(5)
    assert all(torch.equal(*pair) for pair in zip(replaced.weights_of(0), weights_after(second, 5, "c"), strict=True))


# --- when torch does it ---------------------------------------------------------------------------


@needs_compiler
def test_c_is_for_single_runs_in_float32_on_one_thread(tiny, afresh):
    weights, *_ = problem_of(tiny())
    assert compiled.used_for(weights)
    assert not compiled.used_for(weights.map(torch.Tensor.double))
    assert not compiled.used_for(weights.map(lambda w: torch.cat([w, w])))
    three = {"d_model": 12, "n_heads": 3, "d_mlp": 32}
    assert not compiled.used_for(problem_of(tiny(), three)[0])
    torch.set_num_threads(2)
    try:
        assert not compiled.used_for(weights)
    finally:
        torch.set_num_threads(1)


def test_the_environment_turns_it_off(tiny, monkeypatch, afresh):
    weights, *_ = problem_of(tiny())
    monkeypatch.setenv(compiled.VARIABLE, "torch")
    monkeypatch.setattr(compiled, "_library", None)
    assert not compiled.used_for(weights)
    monkeypatch.setenv(compiled.VARIABLE, "fortran")
    with pytest.raises(ValueError, match="GROKBOOK_CPU: 'fortran' is none of c, torch"):
        compiled.used_for(weights)
    with pytest.raises(ValueError, match="'fortran' is none of c, torch"), compiled.steps_by("fortran"):
        pass


@pytest.mark.parametrize("problem", ["missing", "broken", "no source"])
def test_without_a_library_torch_makes_the_steps(problem, tiny, tmp_path, monkeypatch, afresh, caplog):
    if problem == "missing":
        monkeypatch.setattr(compiler, "COMPILERS", ("no-such-compiler",))
    elif problem == "broken":
        monkeypatch.setattr(compiler, "OPTIONS", ("--no-such-option",))
    else:
        monkeypatch.setattr(compiled, "SOURCE", tmp_path / "none.c")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    config = tiny()
    with caplog.at_level(logging.DEBUG, "grokbook"):
        assert not compiled.used_for(problem_of(config)[0])
    (record,) = caplog.records
    assert record.levelname == "DEBUG"
    assert record.getMessage().startswith("steps on a CPU are made by torch: ")
    single = Stack([config], [initial_weights(config, {})], torch.device("cpu"))
    single.advance(2)
    assert single.facts == {"cpu_step": "torch"}


@needs_compiler
@pytest.mark.parametrize("wrong", [1.001, float("nan")])
def test_a_library_that_is_wrong_is_not_used(wrong, tiny, monkeypatch, afresh, caplog):
    right = compiler.load(compiled.SOURCE)

    def gradients(problem):
        status = right.gradients(problem)
        first = ctypes.cast(problem._obj.gradients[3], ctypes.POINTER(ctypes.c_float))
        for i in range(problem._obj.d_model):
            first[i] *= wrong
        return status

    monkeypatch.setattr(compiler, "load", lambda source: Library(gradients))
    with caplog.at_level(logging.DEBUG, "grokbook"):
        assert not compiled.used_for(problem_of(tiny())[0])
    assert "the gradient by W_V is off by" in caplog.text


@needs_compiler
def test_no_memory_is_said(tiny, monkeypatch, afresh):
    weights, plan, labels = problem_of(tiny())
    monkeypatch.setattr(compiled, "_library", lambda: Library(lambda problem: 1))
    with pytest.raises(MemoryError, match="no place"):
        compiled.gradients(weights, compiled.Order(plan, weights), labels, 1.0)
