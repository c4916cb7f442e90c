"""Notebooks show what they compute, with the public API alone."""

import ast

import pytest
from checkout import ROOT

from grokbook.book.frame import CLOSING
from grokbook.book.parameters import read_notebook

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.md"))
HELPFUL = {"itertools", "math"}
"""Of the standard library, where it helps the reader."""
each_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)


def imported(source: str) -> set[str]:
    """What code imports, with the names that it gets."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {f"{alias.name} as {alias.asname}" if alias.asname else alias.name for alias in node.names}
    return found


@each_notebook
def test_a_notebook_imports_ours_once_beside_numpy_and_pandas(notebook):
    code = [cell.source for cell in read_notebook(notebook).cells if cell.cell_type == "code"]
    found = set().union(*map(imported, code))
    # Exercises of two workshops are about tensors.
    own = {"torch"} if notebook.stem.startswith(("workshop_2", "workshop_3")) else set()
    assert "grokbook as gb" in found
    assert found <= {"grokbook as gb", "numpy as np", "pandas as pd", *HELPFUL, *own}


def test_so_does_the_cell_that_the_book_adds():
    assert imported(CLOSING) == {"grokbook as gb"}
