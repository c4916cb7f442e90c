"""Cells around every notebook that is opened outside the book: what it needs to run, and what it ran on.

They are not in the `.md` sources, whose pages need neither, but in the paired `.ipynb`, which Colab, Binder, papermill
and the download button open.
"""

from __future__ import annotations

from collections.abc import Iterable

import nbformat
from nbformat import NotebookNode

REPOSITORY = "https://github.com/grokbook/grokbook"

SETUP = f"""\
# Google Colab has neither the library nor the published runs: there, this cell fetches both.
# Elsewhere it does nothing.
import subprocess
import sys
from pathlib import Path

if "google.colab" in sys.modules:
    clone = Path("grokbook").resolve()
    if not clone.exists():
        subprocess.run(["git", "clone", "--quiet", "--depth=1", "{REPOSITORY}", clone], check=True)
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "-e", f"{{clone}}[figures]"], check=True)
    sys.path.insert(0, str(clone))"""

CLOSING = """\
import grokbook as gb

gb.figures.note()  # what this notebook ran on"""


def framed(cells: Iterable[NotebookNode]) -> list[NotebookNode]:
    """The cells of a notebook with those around them: one after its heading, one at its end.

    Those that are there already, because the notebook was saved with them, do not come twice.
    """
    own = [cell for cell in cells if cell.source != SETUP]
    heading = 1 if own and own[0].cell_type == "markdown" else 0
    return [*own[:heading], nbformat.v4.new_code_cell(SETUP), *closed(own[heading:])]


def closed(cells: Iterable[NotebookNode]) -> list[NotebookNode]:
    """The cells with the one at the end alone, for a notebook that is executed where everything is there."""
    own = [cell for cell in cells if cell.source != CLOSING]
    return [*own, nbformat.v4.new_code_cell(CLOSING)]
