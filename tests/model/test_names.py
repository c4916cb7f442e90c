from grokbook import modules
from grokbook.weights import Weights


def test_names_are_those_of_the_weights():
    assert Weights._fields == modules.WEIGHTS


def test_what_is_transplanted_are_weights_and_leaves_the_unembedding():
    embedding, transformer = modules.MODULES["PG-E"], modules.MODULES["PG-T"]
    assert {*embedding, *transformer} == set(modules.WEIGHTS) - {"W_U"}
    assert not set(embedding) & set(transformer)


def test_modules_have_the_paper_s_names_and_others_those_of_their_weights():
    assert {name: modules.name_of(weights) for name, weights in modules.MODULES.items()} == {
        "PG-E": "PG-E",
        "PG-T": "PG-T",
    }
    assert modules.name_of(("W_E", "W_U")) == "W_E+W_U"
