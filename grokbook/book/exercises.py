"""Exercises in a notebook's source: where they are, what they consist of, and whether they are complete.

A workshop is one MyST notebook. An exercise in it is

- Markdown right before the code, with a heading ``### Exercise 2.3 · Title``, a line ``★★☆ · 8 minutes``, the task,
  and a folded hint, ``<details><summary>Hint</summary>``;
- a code cell tagged ``exercise``. Its solution stands between nbgrader's ``### BEGIN SOLUTION`` and
  ``### END SOLUTION``; what it assigns goes into a self-check, ``check.…(…)``, the last statement of the cell.

Cells tagged ``instructor`` say how long things take and what goes wrong. :mod:`grokbook.book.copies` makes the copies.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from itertools import cycle
from textwrap import dedent, indent
from typing import NamedTuple

from nbformat import NotebookNode

EXERCISE, INSTRUCTOR = "exercise", "instructor"
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
GAP = "# your code here"
"""How every line of a gap ends."""
CHECK = "check"
"""What the module of self-checks is called in a workshop: ``check = gb.workshop.circuit``."""

HEADING = re.compile(r"^### Exercise (\d+\.\d+) · (\S.*)$", re.MULTILINE)
EFFORT = re.compile(r"^(?=[★☆]{3} )(★+)☆* · ([1-9]\d*) minutes$", re.MULTILINE)
HINT = re.compile(r"^<details>\n<summary>Hint</summary>\n\n.+?\n\n</details>$", re.MULTILINE | re.DOTALL)


class ExerciseError(ValueError):
    """A workshop with an exercise that is not complete, or with markers that do not fit."""


class Exercise(NamedTuple):
    """One exercise of a notebook."""

    number: str
    """As in its heading: "2.3"."""
    title: str
    difficulty: int
    """1 to 3 stars."""
    minutes: int
    cell: int
    """Index of its code cell."""
    before: str
    """Code before the gap, and what follows for that after it: lines with their ends."""
    solution: str
    """What fills the gap, without the markers, indented as in the cell."""
    after: str
    check: str
    """Which self-check it calls."""

    @property
    def solved(self) -> str:
        """The instructor's cell."""
        return f"{self.before}{self.solution}{self.after}"

    @property
    def gap(self) -> str:
        """The lines that stand in the student's cell where the solution was."""
        margin = self.solution[: len(self.solution) - len(self.solution.lstrip(" "))]
        return indent("".join(f"{line}  {GAP}\n" for line in _stub(self)), margin)

    @property
    def open(self) -> str:
        """The student's cell."""
        return f"{self.before}{self.gap}{self.after}"

    @property
    def plain_solution(self) -> str:
        """The solution as a folded block shows it: not indented, without a line end."""
        return dedent(self.solution).rstrip("\n")


def tagged(cell: NotebookNode, tag: str) -> bool:
    """Whether a cell has a tag."""
    return tag in cell.metadata.get("tags", ())


def has_exercises(notebook: NotebookNode) -> bool:
    """Whether any cell is tagged ``exercise``, or looks as if it should be."""
    return any(tagged(cell, EXERCISE) or _marked(cell.source) for cell in notebook.cells)


def exercises(notebook: NotebookNode, name: str) -> list[Exercise]:
    """The exercises of a notebook in order, executed or not.

    Raises:
        ExerciseError: Everything that is wrong, one line each with the notebook's ``name`` and the cell, from 1.
    """
    found, problems = [], []
    statement: list[str] = []  # Markdown since the last code cell
    for index, cell in enumerate(notebook.cells):
        where = f"{name}, cell {index + 1} (`{first_line(cell.source)}`)"
        try:
            if cell.cell_type == "code" and tagged(cell, EXERCISE):
                if tagged(cell, INSTRUCTOR):
                    raise ExerciseError(f"is tagged both {EXERCISE} and {INSTRUCTOR}")
                found.append(_read(cell.source, "\n\n".join(statement), index))
            elif tagged(cell, EXERCISE):
                raise ExerciseError(f"is tagged {EXERCISE}, and is not code")
            elif _marked(cell.source):
                raise ExerciseError(f"has a solution marker, and is not tagged {EXERCISE}")
            elif cell.cell_type == "code" and HEADING.search("\n\n".join(statement)):
                raise ExerciseError(f"comes after the heading of an exercise, and is not tagged {EXERCISE}")
        except ExerciseError as error:
            problems.append(f"{where} {error}")
        if cell.cell_type == "code":
            statement = []
        elif not tagged(cell, INSTRUCTOR):
            statement.append(cell.source)
    numbers = [exercise.number for exercise in found]
    twice = sorted({number for number in numbers if numbers.count(number) > 1})
    problems += [f"{name} has more than one exercise {number}" for number in twice]
    if problems:
        raise ExerciseError("\n".join(problems))
    return found


def _marked(source: str) -> bool:
    return any(line.strip() in (BEGIN, END) for line in source.splitlines())


def first_line(source: str) -> str:
    """The first line of a cell that is not blank, as far as messages quote it."""
    return next((line.strip() for line in source.splitlines() if line.strip()), "")[:60]


def _read(source: str, statement: str, index: int) -> Exercise:
    before, solution, after = _regions(source)
    headings = HEADING.findall(statement)
    if len(headings) != 1:
        raise ExerciseError(f"needs one heading '### Exercise 1.1 · Title' before it; found {len(headings)}")
    effort = EFFORT.search(statement)
    if effort is None:
        raise ExerciseError("needs a line with its difficulty and minutes before it, like '★★☆ · 8 minutes'")
    if not HINT.search(statement):
        raise ExerciseError("needs a hint before it: <details>, <summary>Hint</summary>, blank lines around the text")
    (number, title), stars, minutes = headings[0], len(effort[1]), int(effort[2])
    exercise = Exercise(number, title.strip(), stars, minutes, index, before, solution, after, _self_check(source))
    if GAP in source or "```" in solution:
        raise ExerciseError(f"must not contain {GAP!r}, nor its solution a fence: these are for the student's copy")
    try:
        ast.parse(exercise.open)
    except SyntaxError as error:
        raise ExerciseError(f"makes no student's cell: {error.msg} once the solution is taken out") from error
    return exercise


def _regions(source: str) -> tuple[str, str, str]:
    """What stands before, between and after the markers, which are left out."""
    lines = source.splitlines(keepends=True)
    marks = {number: line.strip() for number, line in enumerate(lines) if line.strip() in (BEGIN, END)}
    if [*marks.values()] != [BEGIN, END]:
        raise ExerciseError(f"needs one '{BEGIN}' and one '{END}' after it; {_disorder([*marks.values()])}")
    begin, end = marks
    solution = "".join(lines[begin + 1 : end]).rstrip()
    if not solution:
        raise ExerciseError("has nothing between its markers")
    first = re.sub(r"\A(\s*\n)+", "", solution)  # without blank lines at its ends, which no gap could hold
    return "".join(lines[:begin]), f"{first}\n", "".join(lines[end + 1 :])


def _disorder(kinds: Sequence[str]) -> str:
    for kind, due in zip(kinds, cycle((BEGIN, END)), strict=False):
        if kind != due:
            return "one solution begins inside another" if kind == BEGIN else "a solution ends that has not begun"
    if len(kinds) % 2:
        return "the last one does not end"
    return f"it has {len(kinds) // 2} solutions: make them exercises each" if kinds else "it has neither"


def _self_check(source: str) -> str:
    """The name of the check that the last statement of a cell calls."""
    try:
        body = ast.parse(source).body
    except SyntaxError as error:
        raise ExerciseError(f"is not Python: {error.msg} (line {error.lineno})") from error
    match body[-1]:
        case ast.Expr(ast.Call(ast.Attribute(ast.Name(id), attribute))) if id == CHECK:
            return attribute
    raise ExerciseError(f"needs a self-check for its last statement, like {CHECK}.name_of_it(answer)")


def _stub(exercise: Exercise) -> list[str]:
    """The lines of a gap: an assignment of ``...`` to each name that the rest of the cell needs, or a return of it."""
    first = exercise.before.count("\n") + 1
    last = first + exercise.solution.count("\n") - 1
    nodes = [node for node in ast.walk(ast.parse(exercise.solved)) if isinstance(node, ast.stmt | ast.expr)]
    nodes.sort(key=lambda node: (node.lineno, node.col_offset))
    bound, used, returns = [], set(), False
    for node in nodes:
        match node:
            case ast.Name(id, ast.Load()) if node.lineno > last:
                used.add(id)
            case ast.Name(id, ast.Store()) | ast.FunctionDef(name=id) if first <= node.lineno <= last:
                bound.append(id)
            case ast.Return() if first <= node.lineno <= last:
                returns = True
    names = [name for name in dict.fromkeys(bound) if name in used]
    if names:
        return [f"{name} = ..." for name in names]
    if returns:
        return ["return ..."]
    raise ExerciseError("assigns nothing in its solution that the rest of the cell uses, and returns nothing")
