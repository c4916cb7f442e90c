import re
from textwrap import indent

import nbformat
import pytest
from checkout import ROOT
from workshop_source import CODE, exercise, notebook

from grokbook.book.copies import SOLUTION, instructor_copy, page_copy, student_copy
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


def filled(student: nbformat.NotebookNode) -> list[str]:
    """The cells of a student's copy that have gaps, filled with what is folded after them, going by the text alone."""
    before, after = SOLUTION.split("{}")
    found = []
    for cell, following in zip(student.cells, [*student.cells[1:], None], strict=True):
        if cell.cell_type == "code" and GAP in cell.source:
            assert following.source.startswith(before), "no solution is folded after a gap"
            assert following.source.endswith(after), "no solution is folded after a gap"
            solution = following.source.removeprefix(before).removesuffix(after)
            lines = cell.source.splitlines(keepends=True)
            gaps = [number for number, line in enumerate(lines) if line.rstrip("\n").endswith(GAP)]
            margin = re.match(" *", lines[gaps[0]])[0]
            found.append("".join([*lines[: gaps[0]], indent(f"{solution}\n", margin), *lines[gaps[-1] + 1 :]]))
    return found


def solved(instructor: nbformat.NotebookNode) -> list[str]:
    """The cells of an instructor's copy that are exercises."""
    return [cell.source for cell in instructor.cells if "exercise" in cell.metadata.get("tags", ())]


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
    for make in (student_copy, instructor_copy, page_copy):
        with pytest.raises(ExerciseError, match=r"chapter\.md has no exercises"):
            make(chapter, "chapter.md")


def test_gaps_are_filled_from_what_is_folded_alone():
    copy = student_copy(notebook(), "w.md")
    again = nbformat.reads(nbformat.writes(copy), as_version=4)
    assert filled(again) == ["x = 21\ndouble = 2 * x\ncheck.twice(double, x)"]
    gap = next(index for index, cell in enumerate(copy.cells) if GAP in cell.source)
    copy.cells[gap + 1].source = copy.cells[gap + 1].source.replace("2 * x", "3 * x")
    assert "double = 3 * x" in filled(copy)[0]
    del copy.cells[gap + 1]
    with pytest.raises(AssertionError, match="no solution is folded"):
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
    source = notebook(exercise(code))
    (once,) = filled(student_copy(source, "w.md"))
    assert [once] == solved(instructor_copy(source, "w.md"))


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
    cells = filled(student_copy(source, path.name))
    assert cells == solved(instructor_copy(source, path.name))
    assert len(cells) == len(exercises(source, path.name))


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
    promise = f"exercises, {minutes} minutes"
    assert promise in opening, f"{path.name}: below *How long it takes* it should say '… {promise}'"


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_there_is_no_directive_in_what_colab_shows(path):
    for cell in read_notebook(path).cells:
        assert not DIRECTIVE.search(cell.source), cell.source
