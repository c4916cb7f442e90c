import pytest

from grokbook import model
from grokbook.model import registry
from grokbook.model.protocol import ACTIVATIONS
from grokbook.runs.config import RunConfig

NAMES = pytest.mark.parametrize("name", registry.MODELS)


@NAMES
def test_an_entry_says_of_its_model_what_the_model_says(name):
    config = RunConfig(operations=("a+b",), p=7, model=name)
    found = model.of(config)
    assert found.weights._fields == registry.MODELS[name].weights
    assert found.activation == "relu"
    assert len(found.shapes(config)) == len(registry.MODELS[name].weights)


def test_every_activation_that_may_be_named_is_a_function():
    assert tuple(ACTIVATIONS) == registry.ACTIVATIONS


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("mpl", "relu"), "unknown model 'mpl'; the nearest is 'mlp' of transformer, separate, mlp"),
        (("transfomer", "relu"), "unknown model 'transfomer'; the nearest is 'transformer' of"),
        (("mlp", "quadratc"), "unknown activation 'quadratc'; the nearest is 'quadratic' of relu, quadratic"),
        ((3, "relu"), "unknown model 3; the nearest is"),
        (("mlp", None), "unknown activation None; the nearest is"),
        ((["mlp"], "relu"), r"unknown model \['mlp'\]; the nearest is"),
    ],
)
def test_what_there_is_not_is_refused_with_the_nearest_that_there_is(names, message):
    with pytest.raises(ValueError, match=message):
        registry.check(*names)
