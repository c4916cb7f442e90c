"""Notebooks show what they compute, with the public API alone."""

import ast
import re

import pytest
from chapters import CHAPTERS, drawing_helpers, draws
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


# --- every section with a figure computes something before the reader's eyes ----------------------

ROOMS_OF_MATHEMATICS = {"gb.fourier", "gb.measures", "gb.model", "gb.analysis"}
FEW = 25
"""Lines that a cell may have in which something is computed."""


def computes(source: str) -> bool:
    """Whether code calls numpy, or the part of the library that a reader can check by hand."""
    called = [ast.unparse(node.func) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    rooms = {".".join(name.split(".")[:2]) for name in called}
    return bool(rooms & ROOMS_OF_MATHEMATICS) or any(name.startswith("np.") for name in called)


def visible_sections(notebook):
    """The headings of the second level, with the code below each that readers see without a click."""
    found: dict[str, list[str]] = {}
    heading = ""
    for cell in read_notebook(notebook).cells:
        if cell.cell_type == "markdown":
            headings = re.findall(r"^## (.*)$", cell.source, flags=re.M)
            heading = headings[-1] if headings else heading
        elif not {"hide-input", "parameters"} & set(cell.metadata.get("tags", ())):
            found.setdefault(heading, []).append(cell.source)
    return found


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_every_section_with_a_figure_computes_what_it_shows(chapter):
    helpers = drawing_helpers(chapter)
    for heading, code in visible_sections(chapter).items():
        if draws(code, helpers):
            shown = [source for source in code if computes(source)]
            assert shown, heading
            assert min(len(source.splitlines()) for source in shown) <= FEW, heading


def test_what_counts_as_computing():
    assert computes("x = gb.fourier.spectrum(W_E)")
    assert computes("np.median(steps)")
    assert not computes("gb.figures.table(gb.figures.outcome_table(runs))")
    assert not computes("frequencies = gb.analysis.coordinates.RESIDUES")
