from grokbook import modules
from grokbook.weights import Weights


def test_names_are_those_of_the_weights():
    assert Weights._fields == modules.WEIGHTS


def test_what_is_transplanted_are_weights_and_leaves_the_unembedding():
    embedding, transformer = modules.MODULES["PG-E"], modules.MODULES["PG-T"]
    assert {*embedding, *transformer} == set(modules.WEIGHTS) - {"W_U"}
    assert not set(embedding) & set(transformer)
