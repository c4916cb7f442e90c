"""The copies of a workshop, all made from one source: for students, for instructors, and for the book's page.

The student's copy has gaps, each with the solution folded after its self-check; the instructor's has the solutions and
what is said to instructors. Copies are made of executed notebooks, too. What an exercise looks like in the source is
described in :mod:`grokbook.book.exercises`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from copy import deepcopy

import nbformat
from nbformat import NotebookNode

from grokbook.book.exercises import INSTRUCTOR, Exercise, ExerciseError, exercises, has_exercises, tagged

SOLUTION = "<details>\n<summary>Solution</summary>\n\n```python\n{}\n```\n\n</details>"


Cells = Callable[[NotebookNode, Exercise | None], list[NotebookNode]]
"""What stands in a copy in place of a cell, and of the exercise that it holds."""
Copy = Callable[[NotebookNode, str], NotebookNode]
"""A copy of a notebook, which messages call by the name that is given."""


def _copy(cells: Cells) -> Copy:
    """The copy with these cells; ``ExerciseError`` where a notebook has no exercises, or one that is not complete."""

    def copy(notebook: NotebookNode, name: str) -> NotebookNode:
        if not has_exercises(notebook):
            raise ExerciseError(f"{name} has no exercises, and so no copies for students and instructors")
        by_cell = {exercise.cell: exercise for exercise in exercises(notebook, name)}
        made = deepcopy(notebook)
        made.cells = [new for index, cell in enumerate(made.cells) for new in cells(cell, by_cell.get(index))]
        return made

    copy.__doc__ = cells.__doc__
    return copy


@_copy
def student_copy(cell: NotebookNode, exercise: Exercise | None) -> list[NotebookNode]:
    """The notebook with gaps: no outputs, no instructor's cells, and after each exercise its solution, folded."""
    if tagged(cell, INSTRUCTOR):
        return []
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
    if exercise is None:
        return [cell]
    cell.source = exercise.open
    return [cell, _markdown(SOLUTION.format(exercise.plain_solution))]


@_copy
def instructor_copy(cell: NotebookNode, exercise: Exercise | None) -> list[NotebookNode]:
    """The notebook with solutions in place and what is said to instructors unfolded; outputs stay."""
    if exercise is not None:
        cell.source = exercise.solved
    elif tagged(cell, INSTRUCTOR):
        cell.source = cell.source.replace("<details>", "<details open>")
    return [cell]


@_copy
def page_copy(cell: NotebookNode, exercise: Exercise | None) -> list[NotebookNode]:
    """The notebook as the book shows it: the student's cell to read, below it the solution and its output, folded.

    What is said to instructors stays, folded as it is in the source.
    """
    if exercise is None:
        return [cell]
    cell.source = exercise.solved
    cell.metadata["tags"] = [*cell.metadata.get("tags", ()), "hide-cell"]
    prompt = f"solution of exercise {exercise.number}"
    cell.metadata["mystnb"] = {"code_prompt_show": f"Show {prompt}", "code_prompt_hide": f"Hide {prompt}"}
    return [_markdown(f"```python\n{exercise.open.rstrip()}\n```"), cell]


def _markdown(text: str) -> NotebookNode:
    """A cell whose id follows from its text: a copy made twice is the same."""
    return nbformat.v4.new_markdown_cell(text, id=hashlib.sha256(text.encode()).hexdigest()[:8])
