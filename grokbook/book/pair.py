"""Pair each MyST notebook with an output-free `.ipynb`, byte for byte reproducible.

`python -m grokbook.book.pair` writes `notebooks/*.ipynb` from `notebooks/*.md`. The `.md` is always the source;
`jupytext --sync` would go by file times and may overwrite it.

The pair of a workshop is its student's copy: that is what Jupyter, Colab and the download button should open.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from copy import deepcopy
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from grokbook.book.copies import student_copy
from grokbook.book.exercises import has_exercises
from grokbook.book.frame import framed
from grokbook.book.parameters import read_notebook

_PAGE = re.compile(r"(?<=\]\()\.\./(\w+)\.md")
_CHAPTER = re.compile(r"(?<=\]\()(?!workshop_)(\w+)\.ipynb")
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}


def paired(source: Path) -> NotebookNode:
    """The paired `.ipynb` of a MyST notebook, with the links of its source, and with cells around it (`book.frame`).

    Raises:
        ExerciseError: A workshop with an exercise that is not complete.
    """
    read = read_notebook(source)
    if has_exercises(read):
        read = student_copy(read, source.name)
    read.cells = framed(read.cells)
    return read


def paired_text(source: Path) -> str:
    """The same as text, see :func:`plain_text`, with links that lead from the folder of the source."""
    return plain_text(relinked(paired(source), pages="../book/{}.md"))


def relinked(notebook: NotebookNode, *, pages: str, chapters: str = "{}.ipynb") -> NotebookNode:
    """A notebook whose links lead from where it is: the source's are those of the book's site.

    ``pages`` and ``chapters`` say where what is ``../glossary.md`` and ``labels.ipynb`` there is here, with ``{}`` for
    the name. Workshops are beside each other everywhere.
    """
    copy = deepcopy(notebook)
    for cell in copy.cells:
        if cell.cell_type == "markdown":
            source = _PAGE.sub(lambda found: pages.format(found[1]), cell.source)
            cell.source = _CHAPTER.sub(lambda found: chapters.format(found[1]), source)
    return copy


def plain_text(notebook: NotebookNode) -> str:
    """Return a notebook as text, with cell ids hashed from the cells, so that equal ones have equal text."""
    seen: Counter[str] = Counter()
    for cell in notebook.cells:
        content = f"{cell.cell_type}\0{cell.source}"
        seen[content] += 1
        cell.id = hashlib.sha256(f"{content}\0{seen[content]}".encode()).hexdigest()[:8]
    metadata = {"kernelspec": dict(notebook.metadata.get("kernelspec", KERNELSPEC))}
    plain = nbformat.v4.new_notebook(cells=notebook.cells, metadata=metadata)
    return nbformat.writes(plain).rstrip("\n") + "\n"


def stale(notebooks: Path) -> dict[Path, str]:
    """Return the paired files that differ from their source (or are missing), with the text they should have."""
    wanted = {source.with_suffix(".ipynb"): paired_text(source) for source in sorted(notebooks.glob("*.md"))}
    return {pair: text for pair, text in wanted.items() if not pair.exists() or pair.read_text("utf8") != text}


def main() -> None:
    """Write the pairs in the folder `notebooks` that differ from their source."""
    for pair, text in stale(Path("notebooks")).items():
        pair.write_text(text, "utf8")
        print(f"{pair} written")


if __name__ == "__main__":
    main()
