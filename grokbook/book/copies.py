"""The copies of a workshop, all made from one source: for students, for instructors, and for the book's page.

The student's copy has gaps, each with the solution folded after its self-check; the instructor's has the solutions and
what is said to instructors. Copies are made of executed notebooks, too. What an exercise looks like in the source is
described in :mod:`grokbook.book.exercises`.
"""

from __future__ import annotations

import hashlib
import re
from copy import deepcopy
from textwrap import indent

import nbformat
from nbformat import NotebookNode

from grokbook.book.exercises import GAP, INSTRUCTOR, Exercise, ExerciseError, exercises, has_exercises, tagged

SOLUTION = "<details>\n<summary>Solution</summary>\n\n```python\n{}\n```\n\n</details>"
_FENCED = re.compile(r"\A<details>\n<summary>Solution</summary>\n\n```python\n(.*)\n```\n\n</details>\Z", re.DOTALL)
PROMPT = "{} solution of exercise {}"


def student_copy(notebook: NotebookNode, name: str) -> NotebookNode:
    """The notebook with gaps: no outputs, no instructor's cells, and after each exercise its solution, folded.

    Args:
        notebook: The source.
        name: How messages call it.

    Raises:
        ExerciseError: It has no exercises, or one is not complete (see :func:`grokbook.book.exercises.exercises`).
    """
    by_cell = _by_cell(notebook, name)
    copy, cells = deepcopy(notebook), []
    for index, cell in enumerate(copy.cells):
        if tagged(cell, INSTRUCTOR):
            continue
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        cells.append(cell)
        if index in by_cell:
            cell.source = by_cell[index].open
            cells.append(_markdown(SOLUTION.format(by_cell[index].plain_solution)))
    copy.cells = cells
    return copy


def instructor_copy(notebook: NotebookNode, name: str) -> NotebookNode:
    """The notebook with solutions in place and what is said to instructors unfolded; outputs stay. Errors as above."""
    by_cell = _by_cell(notebook, name)
    copy = deepcopy(notebook)
    for index, cell in enumerate(copy.cells):
        if index in by_cell:
            cell.source = by_cell[index].solved
        elif tagged(cell, INSTRUCTOR):
            cell.source = cell.source.replace("<details>", "<details open>")
    return copy


def page_copy(notebook: NotebookNode, name: str) -> NotebookNode:
    """The notebook as the book shows it: the student's cell to read, below it the solution and its output, folded.

    Errors are those above. What is said to instructors stays, folded as it is in the source.
    """
    by_cell = _by_cell(notebook, name)
    copy, cells = deepcopy(notebook), []
    for index, cell in enumerate(copy.cells):
        if index in by_cell:
            exercise = by_cell[index]
            cells.append(_markdown(f"```python\n{exercise.open.rstrip()}\n```"))
            cell.source = exercise.solved
            cell.metadata["tags"] = [*cell.metadata.get("tags", ()), "hide-cell"]
            cell.metadata["mystnb"] = {
                f"code_prompt_{action}": PROMPT.format(action.capitalize(), exercise.number)
                for action in ("show", "hide")
            }
        cells.append(cell)
    copy.cells = cells
    return copy


def filled(student: NotebookNode) -> NotebookNode:
    """Fill each gap of a student's copy with the solution that is folded after it, going by its text alone."""
    copy = deepcopy(student)
    for cell, following in zip(copy.cells, [*copy.cells[1:], None], strict=True):
        if cell.cell_type != "code" or GAP not in cell.source:
            continue
        solution = None if following is None else _FENCED.match(following.source)
        if solution is None:
            raise ExerciseError(f"no solution is folded after `{cell.source.splitlines()[0]}`")
        cell.source = _fill(cell.source, solution[1])
    return copy


def prove(notebook: NotebookNode, name: str) -> int:
    """Prove that each gap of the student's copy, filled with its solution, is the instructor's cell.

    Returns:
        How many gaps there are.

    Raises:
        ExerciseError: A cell that differs, a gap without an exercise, or the other way round; or as above.
    """
    found = exercises(notebook, name)
    student = student_copy(notebook, name)
    gaps = [index for index, cell in enumerate(student.cells) if cell.cell_type == "code" and GAP in cell.source]
    if len(gaps) != len(found):
        raise ExerciseError(f"{name} has {len(found)} exercises, and its student's copy {len(gaps)} gaps")
    solved, instructor = filled(student), instructor_copy(notebook, name)
    for gap, exercise in zip(gaps, found, strict=True):
        if solved.cells[gap].source != instructor.cells[exercise.cell].source:
            raise ExerciseError(f"{name}: exercise {exercise.number}, filled, is not the instructor's cell")
    return len(gaps)


def _fill(source: str, solution: str) -> str:
    lines = source.splitlines(keepends=True)
    gaps = [number for number, line in enumerate(lines) if line.rstrip("\n").endswith(GAP)]
    first, last = gaps[0], gaps[-1]
    margin = lines[first][: len(lines[first]) - len(lines[first].lstrip())]
    return "".join([*lines[:first], indent(f"{solution}\n", margin), *lines[last + 1 :]])


def _by_cell(notebook: NotebookNode, name: str) -> dict[int, Exercise]:
    if not has_exercises(notebook):
        raise ExerciseError(f"{name} has no exercises, and so no copies for students and instructors")
    return {exercise.cell: exercise for exercise in exercises(notebook, name)}


def _markdown(text: str) -> NotebookNode:
    """A cell whose id follows from its text: a copy made twice is the same."""
    return nbformat.v4.new_markdown_cell(text, id=hashlib.sha256(text.encode()).hexdigest()[:8])
