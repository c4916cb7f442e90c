import pytest

from grokbook import figures
from grokbook.twins import classes, share_with_twins


def test_the_twin_table_has_a_row_for_each_run(grokked_run, tiny_run):
    rows = figures.twin_table({"one": [grokked_run], "two": [tiny_run]}).to_dict("records")
    for row, run in zip(rows, (grokked_run, tiny_run), strict=True):
        config, known = run.config, run.first_step("train_accuracy")
        (operation,) = config.parsed_operations
        of_a, of_b = classes(operation, config.p)
        assert row["values told apart"] == f"{len(set(of_a))} and {len(set(of_b))}"
        share = share_with_twins(operation, config.p, config.fraction, config.seed)
        assert row["test pairs with a twin"] == f"{share:.1%}"
        assert row["train set known"] == ("–" if known is None else f"{known:,}")
    assert (rows[1]["values told apart"], rows[1]["test pairs with a twin"]) == ("7 and 7", "0.0%"), "a+b"
    assert rows[0]["grok step"] == f"{grokked_run.grok_step:,}"
    known = grokked_run.history.set_index("step").loc[grokked_run.first_step("train_accuracy")]
    assert rows[0]["test accuracy then"] == f"{known['test_accuracy']:.1%}"


def test_mixtures_have_no_twins(tiny_mixture):
    with pytest.raises(ValueError, match="for one operation"):
        figures.twin_table({"mixture": [tiny_mixture]})
