"""Figures, tables and sentences about predictions say what the rows say."""

import math
import re

import pytest
from chapters import cells
from checkout import ROOT
from prediction_rows import kept, missed, rows

from grokbook import figures
from grokbook.figures.predictions import YOURS, end_text, probability, steps
from grokbook.paper import predicted
from grokbook.paper.predicted import End
from grokbook.paper.prediction_criteria import criteria
from grokbook.paper.prediction_scores import score

CHAPTER = "\n".join(cells(ROOT / "notebooks" / "prediction.md", "markdown"))


pytestmark = pytest.mark.usefixtures("few_resamples")


@pytest.fixture(scope="module")
def known():
    return predicted.known_rows()


@pytest.fixture(scope="module")
def here(known):
    return [row for row in known if (row.p, row.fraction) == (97, 0.3) and row.seed < 3]


def runs_of(figure):
    return [trace for trace in figure.data if trace.mode == "markers" and trace.x[0] is not None]


def test_every_run_is_a_mark_by_its_end_and_its_form(here):
    figure = figures.law_figure(here, name="x", title="t", labels={"a+b": "top center"})
    marks = [mark for trace in runs_of(figure) for mark in zip(trace.x, trace.y, strict=True)]
    assert sorted(marks) == sorted((row.rho, row.end.steps) for row in here)
    symbols = {trace.marker.symbol for trace in runs_of(figure)}
    assert symbols == {"circle", "diamond-open"}
    assert [trace.text for trace in figure.data if trace.mode == "text"] == [("a+b",)]
    grokked = sum(row.end.grokked for row in here)
    assert f"{grokked} of {len(here)} runs grokked" in figure.layout.meta["caption"]
    (yours,) = [trace for trace in figure.data if trace.name == YOURS]
    assert yours.x == (None,)


def test_a_run_that_is_not_known_stands_where_it_is_predicted():
    of_c = predicted.rows("C")
    figure = figures.law_figure(of_c, name="x", title="t")
    top = 4 * 40_000
    drawn = sorted(y for trace in runs_of(figure) for y in trace.y)
    assert drawn == sorted(min(row.steps, top) for row in of_c)
    assert [note.text for note in figure.layout.annotations][:2] == ["p = 59, r = 0.5", "p = 67, r = 0.5"]
    assert "None of these 22 runs is known yet" in figure.layout.meta["caption"]
    half = figures.law_figure(rows("C", lambda row: kept(row) if row.p == 59 else None), name="x", title="t")
    assert "16 are not yet known." in half.layout.meta["caption"]


def test_pre_grokked_runs_are_none_of_the_laws():
    of_b = predicted.rows("B")
    figure = figures.law_figure(of_b, name="x", title="t")
    assert sum(len(trace.x) for trace in runs_of(figure)) == sum(row.module is None for row in of_b)
    modules = [row for row in of_b if row.module is not None]
    assert list(figures.prediction_table(modules)["module"]) == [row.module for row in modules]
    for bad in (modules, [*predicted.rows("E"), *predicted.rows("A")]):
        with pytest.raises(ValueError, match="same model"):
            figures.law_figure(bad, name="x", title="t")


@pytest.mark.parametrize("name", ["A", "B", "C", "E"])
def test_a_finding_says_how_many_are_known_and_right(name, known):
    none, all_kept, all_missed = predicted.rows(name), rows(name, kept), rows(name, missed)

    def said(found):
        return figures.prediction_finding(found, score(found, known))

    n = len(none)
    assert said(none).startswith(f"**None of the {n} runs is known yet. The law expects ")
    assert said(all_kept).startswith(f"**All {n} runs are known: {n} of {n} ended on the predicted side of ½.**")
    assert "AUC 1.00 [1.00, 1.00]" in said(all_kept)
    assert f"0 of {n} ended on the predicted side" in said(all_missed)
    some = [kept(row) if i % 3 == 0 else missed(row) if i % 3 == 1 else None for i, row in enumerate(none)]
    ends = dict(zip((row.run for row in none), some, strict=True))
    mixed = rows(name, lambda row: ends[row.run])
    there = sum(end is not None for end in some)
    right = len(some[::3])
    assert said(mixed).startswith(f"**{there} of {n} runs are known: {right} of {there} ended")
    assert len(figures.mistake_table(mixed)) == there - right


def test_mistakes_are_named_the_surest_first(known):
    table = figures.mistake_table(known)
    wrong = [row for row in known if row.right is False]
    assert len(table) == len(wrong)
    assert table["probability"].iloc[0] == "> 99 %"
    assert list(table)[:5] == ["operation", "p", "r", "seed", "ρ"]
    assert list(figures.mistake_table(rows("A", missed)))[:2] == ["operation", "ρ"], "one p, one r, one seed"
    # What the chapter says of them.
    named = {(row.operation, row.fraction) for row in wrong}
    assert {fraction for operation, fraction in named if operation == "(a+b)^6"} == {0.7, 0.8, 0.9}
    assert {operation for operation, fraction in named if fraction == 0.3} == {"a^2-b^2", "(a+b)^2"}
    assert {fraction for operation, fraction in named if operation == "a^2+ab+b^2"} == {0.9}
    failed = [row.operation for row in wrong if not row.end.grokked]
    assert failed.count("(a-b)^3") == failed.count("(a-b)^4") == 1
    for row in wrong:
        if row.fraction == 0.3:
            assert any(other.group == row.group and other.end.grokked for other in known if other.fraction == 0.3)


def test_the_chapter_says_of_the_known_runs_what_is_so(here):
    low, high = map(float, re.search(r"Below ([\d.]+) nothing groks .* above ([\d.]+) everything", CHAPTER).groups())
    assert not any(row.end.grokked for row in here if row.rho < low)
    assert all(row.end.grokked for row in here if row.rho > high)
    grokked = [row for row in here if row.end.grokked]
    inside = sum(row.interval[0] <= row.end.steps <= row.interval[1] for row in grokked)
    assert inside / len(grokked) < 0.8
    even = [row for row in here if row.operation == "a^4+b^4"]
    assert all(row.end.steps < row.interval[0] for row in even)
    of_a = predicted.rows("A")
    of_families = figures.family_table(of_a).set_index("family")
    for family in ("sums", "products", "functions of sums"):
        assert of_families["flat"][family] == of_families["polynomials"][family] == 22
        assert float(of_families["expected to grok"][family]) < 11, "most of them fail"
    assert len(of_a) == int(re.search(r"\*Set A\.\* (\d+) random", CHAPTER)[1])


def test_the_law_on_known_runs_in_words(known):
    scores = score(known, known, apart=True)
    said = figures.known_finding(scores)
    right = sum(row.right for row in known)
    assert said.startswith(f"**Of 320 runs in 26 classes, {100 * right / 320:.0f} % ended on the predicted side")
    assert "flat or not 0.76" in said
    assert "better than each of them" in figures.no_better_finding(scores)
    worse = score(rows("A", missed), known)
    assert "** in AUC than *flat or not* or *flat, and symmetric* or" in figures.no_better_finding(worse)
    assert figures.no_better_finding(score(predicted.rows("A"), known)) == "Nothing can be compared yet."


def test_tables_have_a_row_for_each(known):
    found = rows("A", kept)
    scores = score(found, known)
    table = figures.score_table(scores)
    assert table["AUC"].iloc[0] == "1.00 [1.00–1.00]"
    assert set(figures.score_table(score(predicted.rows("A"), known))["AUC"]) == {"–"}
    assert list(figures.criterion_table(criteria("A", found, scores, known))["is so"]) == ["no"] * 3
    calibrated = figures.calibration_table(found)
    assert calibrated["runs"].sum() == 110
    assert calibrated["grokked"].iloc[-1] == "100 %"
    assert figures.calibration_table(predicted.rows("A")).empty


def test_numbers_are_written_as_they_are_meant(known):
    assert [probability(x) for x in (0.001, 0.07, 0.5, 0.999)] == ["< 1 %", "7 %", "50 %", "> 99 %"]
    assert [steps(x) for x in (1234.5, 156_900, 2e7, math.inf)] == ["1,200", "160,000", "> 10 million", "> 10 million"]
    row = known[0]
    assert end_text(row._replace(end=None)) == "not yet known"
    assert end_text(row._replace(end=End(True, 4900))) == "grokked at step 4,900"
    assert end_text(row._replace(end=End(False, 40_000, 0.312))) == "not within 40,000 steps (best 31.2 %)"
