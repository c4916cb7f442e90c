from dataclasses import replace

import pytest

from grokbook import data, figures
from grokbook.analysis.symmetry import by_mirror, classes, mirrored, share_with_twins


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


def test_the_mirror_table_tells_mirror_images_from_the_others(tiny_run):
    config, found = tiny_run.config, by_mirror(tiny_run)
    row, without = figures.mirror_table(
        [tiny_run, replace(tiny_run, config=replace(config, seed=1), kept_weights=None)]
    ).to_dict("records")
    n_test = int((~data.split(config.p**2, config.fraction, config.seed)).sum())
    share = mirrored(config).sum() / n_test
    assert (row["p"], row["seed"], row["mirror images"]) == (7, 0, f"{share:.1%}")
    assert (row["right of these"], row["right of the others"]) == tuple(f"{each:.1%}" for each in found)
    assert (without["right of these"], without["right of the others"]) == ("–", "–")
    assert row["by chance"] == "14.3%"


def test_a_run_on_what_is_not_symmetric_has_no_mirror_images_with_weights_or_without(tiny_transfer):
    for run in (tiny_transfer, replace(tiny_transfer, kept_weights=None)):
        with pytest.raises(ValueError, match="symmetric operations over residues"):
            figures.mirror_table([run])


def test_what_the_paper_s_accuracies_are_without_mirror_images():
    table = figures.paper_mirror_table("a^2+ab+b^2", ["a^3+ab"])
    assert table["r"].tolist() == ["0.3", "0.4", "0.5", "0.6", "0.7"], "it groks with more"
    first = table.iloc[0].to_dict()
    share = 0.3 * 96 / 97
    assert first == {
        "r": "0.3",
        "a²+ab+b²": "34%",
        "without mirror images": f"{(0.34 - share) / (1 - share):.1%}",
        "a³+ab": "4.9%",
    }
