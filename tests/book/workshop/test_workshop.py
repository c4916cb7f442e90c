"""The workshops' notebooks, run here cell by cell: a kernel each would take longer than all of their cells.

tests/test_notebooks.py executes them through papermill as well.
"""

import ast
from typing import Any

import pytest
from checkout import ROOT
from nbformat import NotebookNode

from grokbook.book.copies import instructor_copy, student_copy
from grokbook.book.exercises import exercises
from grokbook.book.parameters import read_notebook
from grokbook.book.workshop import Verdict
from grokbook.book.workshop.verdicts import EMPTY

NOTEBOOKS = ROOT / "notebooks"
WORKSHOPS = sorted(NOTEBOOKS.glob("workshop_*.md"))


def values(notebook: NotebookNode) -> list[Any]:
    """Run the code cells of a notebook one after the other; what the last line of each gives."""
    names: dict[str, Any] = {}
    found = []
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        body = ast.parse(cell.source)
        last = body.body.pop() if isinstance(body.body[-1], ast.Expr) else None
        exec(compile(body, f"cell {index + 1}", "exec"), names)  # noqa: S102
        if last is not None:
            found.append(eval(compile(ast.Expression(last.value), f"cell {index + 1}", "eval"), names))  # noqa: S307
    return found


@pytest.fixture
def stored_only(monkeypatch, tmp_path):
    """As the book is built: from published runs alone."""
    monkeypatch.setenv("GROKBOOK_STORE", str(tmp_path / "runs"))
    monkeypatch.setenv("GROKBOOK_STORED_ONLY", "1")
    monkeypatch.setattr("IPython.display.display", lambda *_: None)


def test_every_solution_passes_its_check_where_the_published_runs_take_the_place_of_training(stored_only):
    """The others read published runs anyway, and are executed with them by tests/test_notebooks.py."""
    path = NOTEBOOKS / "workshop_1_watch_it_grok.md"
    source = read_notebook(path)
    verdicts = [value for value in values(instructor_copy(source, path.name)) if isinstance(value, Verdict)]
    assert not [verdict for verdict in verdicts if not verdict]
    assert len(verdicts) == len(exercises(source, path.name))


@pytest.mark.parametrize("path", WORKSHOPS, ids=lambda path: path.stem)
def test_a_student_s_copy_runs_to_its_end_with_every_gap_open(path, stored_only):
    source = read_notebook(path)
    verdicts = [value for value in values(student_copy(source, path.name)) if isinstance(value, Verdict)]
    assert [verdict.message for verdict in verdicts] == [EMPTY] * len(exercises(source, path.name))
