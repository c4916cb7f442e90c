import re

import nbformat
import pytest
from checkout import ROOT
from workshop_source import CODE, exercise, notebook

from grokbook.book import copies
from grokbook.book.copies import filled, instructor_copy, page_copy, prove, student_copy
from grokbook.book.exercises import BEGIN, END, GAP, ExerciseError, exercises
from grokbook.book.frame import framed
from grokbook.book.pair import relinked
from grokbook.book.parameters import read_notebook

NOTEBOOKS = ROOT / "notebooks"
WORKSHOPS = sorted(NOTEBOOKS.glob("workshop_*.md"))
DIRECTIVE = re.compile(r"^(:{3,}|`{3,})\{|\{[a-z][a-z:-]*\}`", re.MULTILINE)
"""What MyST makes something of and other readers of notebooks show as it is: a directive, or a role."""


def cells(copy: nbformat.NotebookNode, kind: str) -> list[str]:
    return [cell.source for cell in copy.cells if cell.cell_type == kind]


def test_the_student_s_copy_has_gaps_and_folded_solutions():
    copy = student_copy(notebook(), "w.md")
    nbformat.validate(copy)
    assert cells(copy, "code") == ["p = 7", "x = 21\ndouble = ...  # your code here\ncheck.twice(double, x)"]
    gap = next(index for index, cell in enumerate(copy.cells) if GAP in cell.source)
    assert copy.cells[gap + 1].source == (
        "<details>\n<summary>Solution</summary>\n\n```python\ndouble = 2 * x\n```\n\n</details>"
    )
    text = "\n".join(cell.source for cell in copy.cells)
    assert "For instructors" not in text
    assert "The end." in text
    assert BEGIN not in text
    assert END not in text


def test_the_instructor_s_copy_has_solutions_and_open_notes():
    copy = instructor_copy(notebook(), "w.md")
    nbformat.validate(copy)
    assert cells(copy, "code") == ["p = 7", "x = 21\ndouble = 2 * x\ncheck.twice(double, x)"]
    text = "\n".join(cells(copy, "markdown"))
    assert "<details open>\n<summary>For instructors</summary>" in text
    assert "<details>\n<summary>Hint</summary>" in text  # for showing: hints stay folded


def test_the_page_shows_the_gap_and_folds_the_solution():
    source = notebook()
    copy = page_copy(source, "w.md")
    nbformat.validate(copy)
    (index,) = [i for i, cell in enumerate(copy.cells) if "exercise" in cell.metadata.get("tags", ())]
    shown, solution = copy.cells[index - 1], copy.cells[index]
    assert shown.source == "```python\nx = 21\ndouble = ...  # your code here\ncheck.twice(double, x)\n```"
    assert solution.source == "x = 21\ndouble = 2 * x\ncheck.twice(double, x)"
    assert "hide-cell" in solution.metadata.tags
    assert solution.metadata.mystnb == {
        "code_prompt_show": "Show solution of exercise 1.1",
        "code_prompt_hide": "Hide solution of exercise 1.1",
    }
    assert "<details>\n<summary>For instructors</summary>" in "\n".join(cells(copy, "markdown"))
    assert "hide-cell" not in "".join(str(cell.metadata) for cell in source.cells)  # a copy


def test_outputs_stay_in_copies_for_reading_and_go_from_the_student_s():
    source = notebook()
    code = [cell for cell in source.cells if cell.cell_type == "code"]
    for cell in code:
        cell.outputs, cell.execution_count = [nbformat.v4.new_output("stream", text="42")], 3
    for make, kept in ((student_copy, 0), (instructor_copy, 2), (page_copy, 2)):
        made = [cell for cell in make(source, "w.md").cells if cell.cell_type == "code"]
        assert sum(len(cell.outputs) for cell in made) == kept


def test_copies_made_twice_are_the_same():
    assert student_copy(notebook(), "w.md").cells[-2].id == student_copy(notebook(), "w.md").cells[-2].id


def test_a_chapter_has_no_copies():
    chapter = notebook("Just text.\n")
    for make in (student_copy, instructor_copy, page_copy, prove):
        with pytest.raises(ExerciseError, match=r"chapter\.md has no exercises"):
            make(chapter, "chapter.md")


def test_gaps_are_filled_from_what_is_folded_alone():
    copy = student_copy(notebook(), "w.md")
    again = nbformat.reads(nbformat.writes(copy), as_version=4)
    assert cells(filled(again), "code")[1] == "x = 21\ndouble = 2 * x\ncheck.twice(double, x)"
    gap = next(index for index, cell in enumerate(copy.cells) if GAP in cell.source)
    copy.cells[gap + 1].source = copy.cells[gap + 1].source.replace("2 * x", "3 * x")
    assert "double = 3 * x" in cells(filled(copy), "code")[1]
    del copy.cells[gap + 1]
    with pytest.raises(ExerciseError, match="no solution is folded after `x = 21`"):
        filled(copy)


INDENTED = f"""def f(x):
    y = x
    {BEGIN}

    for _ in range(2):
        # twice

        y = 2 * y
    return y
    {END}


check.f(f)"""


@pytest.mark.parametrize("code", [CODE, INDENTED, CODE.replace("2 * x", "[\n    x,\n        x,\n]")])
def test_a_filled_gap_is_the_instructor_s_cell(code):
    assert prove(notebook(exercise(code)), "w.md") == 1


@pytest.mark.parametrize(
    ("name", "spoiled"),
    [
        ("_fill", lambda source, solution: source.replace("...  # your code here", "0")),
        ("_fill", lambda source, solution: source),
        ("instructor_copy", lambda source, name: source),
    ],
)
def test_the_proof_can_fail(monkeypatch, name, spoiled):
    monkeypatch.setattr(copies, name, spoiled)
    with pytest.raises(ExerciseError, match=r"w\.md: exercise 1\.1, filled, is not the instructor's cell"):
        prove(notebook(), "w.md")


def test_the_proof_counts_gaps(monkeypatch):
    real = copies.student_copy

    def without_gap(source, name):
        copy = real(source, name)
        for cell in copy.cells:
            cell.source = cell.source.replace(GAP, "")
        return copy

    monkeypatch.setattr(copies, "student_copy", without_gap)
    with pytest.raises(ExerciseError, match="1 exercises, and its student's copy 0 gaps"):
        prove(notebook(), "w.md")


# --- the workshops --------------------------------------------------------------------------------


def test_there_are_three_workshops_with_fifteen_exercises():
    found = {path.stem: exercises(read_notebook(path), path.name) for path in WORKSHOPS}
    assert len(found) >= 3
    assert sum(map(len, found.values())) >= 15
    for number, each in enumerate(found.values(), start=1):
        assert len(each) >= 5
        assert [exercise.number for exercise in each] == [f"{number}.{i}" for i in range(1, len(each) + 1)]
        assert 45 <= sum(exercise.minutes for exercise in each) <= 90
        assert {exercise.difficulty for exercise in each} == {1, 2, 3}


@pytest.mark.parametrize("path", WORKSHOPS, ids=lambda path: path.stem)
def test_every_gap_filled_is_the_instructor_s_cell(path):
    source = read_notebook(path)
    assert prove(source, path.name) == len(exercises(source, path.name))


@pytest.mark.parametrize("path", WORKSHOPS, ids=lambda path: path.stem)
def test_the_committed_pair_is_the_student_s_copy(path):
    pair = nbformat.read(path.with_suffix(".ipynb"), as_version=4)
    student = student_copy(read_notebook(path), path.name)
    student.cells = framed(student.cells)
    linked = relinked(student, pages="../book/{}.md")
    assert [cell.source for cell in pair.cells] == [cell.source for cell in linked.cells]
    assert any(GAP in cell.source for cell in pair.cells)


@pytest.mark.parametrize("path", WORKSHOPS, ids=lambda path: path.stem)
def test_the_minutes_a_workshop_promises_are_those_of_its_exercises(path):
    source = read_notebook(path)
    minutes = sum(exercise.minutes for exercise in exercises(source, path.name))
    opening = next(cell.source for cell in source.cells if "**How long it takes.**" in cell.source)
    assert f"exercises, {minutes} minutes" in opening


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_there_is_no_directive_in_what_colab_shows(path):
    for cell in read_notebook(path).cells:
        assert not DIRECTIVE.search(cell.source), cell.source
