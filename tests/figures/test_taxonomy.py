from grokbook import figures
from grokbook.data.catalogue import CATALOGUE
from grokbook.data.operations import Operation

EVERY_OPERATION = [operation for group in CATALOGUE.values() for operation in group]


EXAMPLES = [Operation.parse(text) for text in ("a^2-b^2", "(a+b)^2+a+b", "ab+7")]


def test_the_formula_table_says_what_follows_from_a_formula():
    table = figures.formula_table(EXAMPLES).set_index("operation")
    difference, through, foreign = (table.loc[name] for name in ("a²−b²", "(a+b)²+a+b", "ab+7"))
    assert (difference["function of a±b"], difference["divisible by"]) == ("–", "a+b, a−b")
    assert (difference["even in"], difference["symmetric"]) == ("a, b", "–")
    assert (through["function of a±b"], through["divisible by"], through["symmetric"]) == ("yes", "a+b", "yes")
    assert (foreign["degree"], foreign["cross term"], foreign["divisible by"]) == (2, "yes", "–")


def test_the_taxonomy_table_has_words_kind_and_verdict():
    table = figures.taxonomy_table(EXAMPLES).set_index("operation")
    assert table.loc["ab+7"].tolist() == ["quadratic, cross term", "cross", "not in the paper"]
    assert table.loc["(a+b)²+a+b"].tolist() == [
        "quadratic, factorizable",
        "factorizable",
        "agrees; group reconstructed",
    ]


def test_every_operation_of_the_paper_is_of_its_group():
    verdicts = figures.taxonomy_table(EVERY_OPERATION)["group in Table 5"]
    assert len(verdicts) == 35
    assert all(verdict.startswith("agrees") for verdict in verdicts)
    assert sum("differs" in verdict for verdict in verdicts) == 1


def test_the_kind_table_sets_table_1_beside_table_5():
    table = figures.kind_table(EVERY_OPERATION).set_index("kind")
    grok = "Table 5: at r = 0.3"
    assert table.loc["factorizable", [grok, "all from r ="]].tolist() == ["8 of 10", "0.7"]
    assert table.loc["cross high", [grok, "all from r =", "Table 1"]].tolist() == ["0 of 4", "–", "does not grok"]
    assert table.loc["linear", "Table 1"] == "lost"
    assert figures.kind_table(EVERY_OPERATION, 0.9).set_index("kind").loc["linear"].iloc[2] == "4 of 4"
