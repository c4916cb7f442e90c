from dataclasses import replace

import pytest

from grokbook import figures
from grokbook.model.names import MODULES
from grokbook.paper.configs import Transfer

transfer = Transfer.parse


@pytest.fixture
def scratch(tiny_run, grokked_run):
    return {"a+b": [tiny_run], "a-b": [grokked_run, grokked_run]}


def drawn(figure, row, col):
    """Names of the curves in one place of the grid."""
    place = (row - 1) * 2 + col
    axis = "x" if place == 1 else f"x{place}"
    return [trace.name for trace in figure.data if trace.xaxis == axis]


def test_each_source_has_a_column_and_each_target_a_row(scratch, tiny_run, grokked_run):
    figure = figures.transfer_grid(
        scratch,
        {transfer("PG-E a+b -> a-b"): [grokked_run], transfer("PG-T a-b -> a+b"): [tiny_run, tiny_run]},
    )
    assert drawn(figure, 1, 1) == ["from scratch"]
    assert drawn(figure, 1, 2) == ["from scratch", "PG-T", "PG-T"]
    assert drawn(figure, 2, 1) == ["from scratch", "from scratch", "PG-E"]
    assert drawn(figure, 2, 2) == ["from scratch", "from scratch"]
    titles = [note.text for note in figure.layout.annotations]
    assert titles == ["from a+b", "from a−b", "on a+b", "on a−b"]


def test_the_caption_counts_runs_and_the_text_in_its_place_has_their_grok_steps(scratch, tiny_run, grokked_run):
    stored = {transfer("PG-E a+b -> a-b"): [grokked_run, tiny_run], transfer("PG-T a+b -> a+b"): [tiny_run]}
    meta = figures.transfer_grid(scratch, stored).layout.meta
    assert "Runs that grok: 1 of 2 with PG-E, 0 of 1 with PG-T. 6 of 8 are not stored and not drawn." in meta["caption"]
    assert f"PG-E a+b → a−b: {grokked_run.grok_step:,}, –; PG-T a+b → a+b: –." in meta["alt"]
    assert "Runs that grok" not in figures.transfer_grid(scratch, {}).layout.meta["caption"]
    every = {
        transfer(f"{module} {s} -> {t}"): [tiny_run] for s in scratch for t in scratch for module in ("PG-E", "PG-T")
    }
    assert "not stored" not in figures.transfer_grid(scratch, every).layout.meta["caption"]


def test_the_legend_names_each_kind_of_run_once(scratch, tiny_run):
    every = {
        transfer(f"{module} {s} -> {t}"): [tiny_run, tiny_run]
        for s in scratch
        for t in scratch
        for module in ("PG-E", "PG-T")
    }
    figure = figures.transfer_grid(scratch, every)
    assert [trace.name for trace in figure.data if trace.showlegend] == ["from scratch", "PG-E", "PG-T"]


def test_a_target_has_one_row_with_every_module_beside_it(scratch, tiny_run, grokked_run):
    frame = figures.transfer_table(
        scratch,
        {transfer("PG-E a+b -> a-b"): [grokked_run, tiny_run], transfer("PG-T a*b -> a+b"): [tiny_run]},
    )
    best, step = f"{tiny_run.best_test_accuracy:.1%}", f"{grokked_run.grok_step:,}"
    assert frame.to_dict("records") == [
        {"target": "a+b", "from scratch": best, "PG-E from a+b": "not yet run", "PG-T from a·b": best},
        {
            "target": "a−b",
            "from scratch": f"{step}, {step}",
            "PG-E from a+b": f"{step}, {best}",
            "PG-T from a·b": "not yet run",
        },
    ]


def test_speed_ups_compare_runs_with_equal_seeds(tiny_transfer, tiny_run, grokked_run):
    def seeded(run, seed, **changes):
        return replace(run, config=replace(tiny_transfer.config, seed=seed, source=None, transplant=()), **changes)

    slow = replace(grokked_run, history=grokked_run.history.assign(step=grokked_run.history["step"] * 3))
    scratch = {"a-b": [seeded(slow, 0), seeded(tiny_run, 1)]}
    after = [replace(grokked_run, config=replace(tiny_transfer.config, seed=seed)) for seed in (0, 1, 2)]
    never = [replace(tiny_transfer, config=replace(tiny_transfer.config, seed=seed)) for seed in (0, 1)]
    frame = figures.speed_up_table(scratch, {transfer("PG-E a+b -> a-b"): after, transfer("PG-T a*b -> a-b"): never})
    failed = f"does not grok within 30 steps, best {tiny_transfer.best_test_accuracy:.1%}"
    assert frame["here"].tolist() == [
        "3.0 times as fast",
        f"more than {30 / after[1].grok_step:.1f} times as fast: from scratch it does not grok within 30 steps",
        "from scratch not yet run",
        f"{failed}; from scratch it does",
        failed,
    ]
    assert frame["module"].tolist() == ["PG-E from a+b"] * 3 + ["PG-T from a·b"] * 2
    assert frame["seed"].tolist() == [0, 1, 2, 0, 1]
    assert set(frame["paper"]) == {"helps"}, "a−b with the embedding of a+b"


def test_counts_say_how_many_modules_help_and_whether_the_paper_says_so(tiny_transfer, tiny_run, grokked_run):
    def at(run, seed, steps=1, **changes):
        history = run.history.assign(step=run.history["step"] * steps)
        return replace(run, history=history, config=replace(tiny_transfer.config, seed=seed, **changes))

    alone = {"source": None, "transplant": ()}
    scratch = {"a-b": [at(grokked_run, 0, 3, **alone), at(tiny_run, 1, **alone), at(grokked_run, 2, **alone)]}
    helped = [at(grokked_run, 0), at(tiny_run, 1), at(grokked_run, 2, 2), at(tiny_run, 2, 100), at(tiny_run, 3)]
    too_late = at(grokked_run, 1, 100)  # the one from scratch was stopped before that step
    too_short = at(tiny_run, 2)  # it was stopped before the one from scratch grokked
    mlp = tuple(MODULES["PG-T"])
    frame = figures.transfer_counts(
        scratch,
        {
            transfer("PG-E a+b -> a-b"): helped,
            transfer("PG-E 2a+b -> a-b"): [too_late, too_short],
            transfer("PG-T a+b -> a-b"): [at(tiny_run, 0, 100, transplant=mlp), at(grokked_run, 0, transplant=mlp)],
        },
    )
    fates = ["groks sooner", "no sooner", "neither groks", "nothing to compare with", "as in the paper"]
    assert list(frame.columns) == ["module", "runs", *fates]
    assert frame.values.tolist() == [["PG-E", 7, 1, 2, 1, 3, "1 of 4"], ["PG-T", 2, 1, 1, 0, 0, "1 of 2"]]


def test_counts_of_no_runs_at_all(scratch):
    assert figures.transfer_counts(scratch, {})["runs"].tolist() == [0, 0]


@pytest.fixture
def on(tiny):
    """A run with a best test accuracy on an operation, like `on("a+b", 0.2)`; it has not grokked."""

    def made(run, operation, accuracy=None):
        found = replace(run, config=replace(run.config, operations=tiny(operation).operations))
        return found if accuracy is None else replace(found, history=found.history.assign(test_accuracy=accuracy))

    return made


def test_embeddings_are_told_apart_by_the_coordinates_of_both_operations(on, tiny_run, grokked_run):
    transfers = {
        transfer("PG-E a+b -> a*b"): [on(tiny_run, "a*b", 0.1)],
        transfer("PG-E a+b -> a-b"): [on(grokked_run, "a-b")],
        transfer("PG-T a+b -> a-b"): [on(grokked_run, "a-b")],
        transfer("PG-E a*b -> a*b+1"): [on(tiny_run, "a*b+1", 0.3)],
        transfer("PG-E a-b -> (a+b)^2"): [on(tiny_run, "(a+b)^2", 0.4), on(tiny_run, "(a+b)^2", 0.3)],
        transfer("PG-E a-b -> a^2+ab+b^2"): [on(tiny_run, "a^2+ab+b^2", 0.4)],
    }
    scratch = {
        "a*b": [on(tiny_run, "a*b", 0.2)],
        "a-b": [on(grokked_run, "a-b", 0.2)],
        "(a+b)^2": [on(tiny_run, "(a+b)^2", 0.2)],
        "a^2+ab+b^2": [on(tiny_run, "a^2+ab+b^2", 0.2)],
    }
    table = figures.coordinate_transfer_table(scratch, transfers)
    assert table["target"].tolist() == ["a−b", "ab+1", "(a+b)²", "(a+b)²", "a·b", "a²+ab+b²"]
    assert table["same"].tolist() == ["yes"] * 4 + ["no"] * 2
    assert table["over"].tolist() == ["x", "log x", "x", "x", "x", "x"]
    assert table["a sum of"].tolist() == ["x", "log x", "x", "x", "log x", "none known"]
    assert table["with it"].tolist() == [f"{grokked_run.grok_step:,}", "30.0%", "40.0%", "30.0%", "10.0%", "40.0%"]
    assert table["from scratch"].tolist() == ["20.0%", "not yet run", "20.0%", "20.0%", "20.0%", "20.0%"]
    same, other = figures.coordinate_transfer_counts(scratch, transfers).to_dict("records")
    assert (same["coordinate"], other["coordinate"]) == ("the same", "another")
    assert (same["runs"], same["groks sooner"], same["neither groks"], same["gains"]) == (4, 1, 2, 1)
    assert same["nothing to compare with"] == 1
    assert (other["runs"], other["neither groks"], other["gains"]) == (2, 2, 1)


def test_without_runs_nothing_is_counted(scratch):
    assert figures.coordinate_transfer_table(scratch, {}).empty
    assert figures.coordinate_transfer_counts(scratch, {})["runs"].tolist() == [0, 0]
