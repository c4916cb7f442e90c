from grokbook.model import names
from grokbook.model.weights import Weights


def test_names_are_those_of_the_weights():
    assert Weights._fields == names.WEIGHTS


def test_what_is_transplanted_are_weights_and_leaves_the_unembedding():
    embedding, transformer = names.MODULES["PG-E"], names.MODULES["PG-T"]
    assert {*embedding, *transformer} == set(names.WEIGHTS) - {"W_U"}
    assert not set(embedding) & set(transformer)


def test_modules_have_the_paper_s_names_and_others_those_of_their_weights():
    assert {name: names.name_of(weights) for name, weights in names.MODULES.items()} == {
        "PG-E": "PG-E",
        "PG-T": "PG-T",
    }
    assert names.name_of(("W_E", "W_U")) == "W_E+W_U"
