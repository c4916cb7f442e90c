import pytest

from grokbook.data.catalogue import CATALOGUE
from grokbook.data.operations import Operation
from grokbook.data.polynomials import Kind
from grokbook.paper import taxonomy

EVERY_OPERATION = [operation for group in CATALOGUE.values() for operation in group]
parse = Operation.parse


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a+b", ("elementary",)),
        ("ab", ("elementary",)),
        ("b-a", ("linear",)),
        ("2a-3b", ("linear",)),
        ("ab+b", ("quadratic", "cross term")),
        ("a^2+b", ("quadratic",)),
        ("a^2-b^2", ("quadratic", "sum of powers")),
        ("a^7+b^7", ("degree 7", "sum of powers")),
        ("(a-b)^3", ("cubic", "factorizable")),
        ("(a+b)^2+a+b", ("quadratic", "factorizable")),
        ("a^3+ab^2+b", ("cubic", "cross term")),
        ("a^2*b^2", ("quartic", "cross term")),
    ],
)
def test_the_words_of_table_3_follow_from_the_formula(text, words):
    assert taxonomy.terms(parse(text)) == words


def test_every_kind_is_explained():
    assert set(taxonomy.MEANINGS) == set(taxonomy.TABLE_1) == set(CATALOGUE) == set(Kind) - {Kind.TABLE}


def test_groups_of_table_5_have_its_36_columns_from_scratch():
    assert sum(len(taxonomy.columns(operation)) for operation in EVERY_OPERATION) == 36
    assert taxonomy.columns(parse("b+a")) == (Kind.ELEMENTARY,)
    assert taxonomy.columns(parse("a^2-b^2")) == (Kind.POWER_SUM, Kind.FACTORIZABLE)
    assert taxonomy.columns(parse("a+7b")) == ()


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("a+b", "agrees"),
        ("a^3+ab", "agrees"),
        ("(a+b)^2", "agrees; group reconstructed"),
        ("a^2-b^2", "agrees; group reconstructed; as factorizable it differs"),
        ("a+7b", "not in the paper"),
    ],
)
def test_kinds_are_held_against_the_groups(text, verdict):
    assert taxonomy.verdict(parse(text)) == verdict


def test_an_operation_in_a_wrong_group_differs(monkeypatch):
    monkeypatch.setattr(taxonomy, "CATALOGUE", {Kind.LINEAR: (parse("ab+b"),)})
    assert taxonomy.verdict(parse("ab+b")) == "differs: no linear"


def test_kinds_stand_as_table_5_has_them():
    found = {standing.kind: standing for standing in taxonomy.standings(EVERY_OPERATION, 0.3)}
    assert list(found) == list(CATALOGUE)
    assert sum(len(standing.grok) for standing in found.values()) == 22
    assert found[Kind.ELEMENTARY].verdict == found[Kind.CROSS_HIGH].verdict == found[Kind.POWER_SUM].verdict == "agrees"
    assert found[Kind.LINEAR].verdict == "mark lost"
    assert found[Kind.UNIVARIATE].verdict == "not for a²−b"
    assert found[Kind.FACTORIZABLE].verdict == "not for (a−b)³, (a−b)⁴"
    from_which = {kind: standing.all_from for kind, standing in found.items()}
    assert (from_which[Kind.LINEAR], from_which[Kind.FACTORIZABLE], from_which[Kind.CROSS_HIGH]) == (0.5, 0.7, None)


def test_a_kind_marked_as_failing_is_contradicted_by_what_groks():
    (high,) = taxonomy.standings([parse("a^2+ab+b^2"), parse("a^3+ab"), parse("a+7b")], 0.8)
    assert high.verdict == "not for a²+ab+b²"
    assert high.fail == (parse("a^3+ab"),)


def test_table_5_has_no_other_fractions():
    with pytest.raises(ValueError, match=r"not 0\.35"):
        taxonomy.standings(EVERY_OPERATION, 0.35)


def test_a_table_has_no_words(division):
    assert taxonomy.terms(division) == ()
    assert taxonomy.verdict(division) == "not in the paper"
