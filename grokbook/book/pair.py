"""Pair each MyST notebook with an output-free `.ipynb`, byte for byte reproducible.

`python -m grokbook.book.pair [--check] [FOLDER]` writes (or compares) `notebooks/*.ipynb` from `notebooks/*.md`. The
`.md` is always the source; `jupytext --sync` would go by file times and may overwrite it.

The pair of a workshop is its student's copy: that is what Jupyter, Colab and the download button should open.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
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
    """Return the paired `.ipynb` of a MyST notebook, with the links of its source.

    It has cells of its own, with which it runs in Colab and says what it ran on, see `grokbook.book.frame`.

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

    Args:
        notebook: with links to pages like ``../glossary.md`` and to other notebooks like ``labels.ipynb``.
        pages: where pages are, with ``{}`` for the name.
        chapters: where notebooks are that are no workshops; these are beside each other everywhere.
    """
    copy = deepcopy(notebook)
    for cell in copy.cells:
        if cell.cell_type == "markdown":
            source = _PAGE.sub(lambda found: pages.format(found[1]), cell.source)
            cell.source = _CHAPTER.sub(lambda found: chapters.format(found[1]), source)
    return copy


def plain_text(notebook: NotebookNode) -> str:
    """Return a notebook as text: no outputs, and cell ids hashed from the cells, so that equal ones have equal text."""
    seen: Counter[str] = Counter()
    for cell in notebook.cells:
        content = f"{cell.cell_type}\0{cell.source}"
        seen[content] += 1
        cell.id = hashlib.sha256(f"{content}\0{seen[content]}".encode()).hexdigest()[:8]
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    metadata = {"kernelspec": dict(notebook.metadata.get("kernelspec", KERNELSPEC))}
    plain = nbformat.v4.new_notebook(cells=notebook.cells, metadata=metadata)
    return nbformat.writes(plain).rstrip("\n") + "\n"


def stale(notebooks: Path) -> dict[Path, str]:
    """Return the paired files that differ from their source (or are missing), with the text they should have."""
    wanted = {source.with_suffix(".ipynb"): paired_text(source) for source in sorted(notebooks.glob("*.md"))}
    return {pair: text for pair, text in wanted.items() if not pair.exists() or pair.read_text("utf8") != text}


def main(argv: list[str] | None = None) -> int:
    """Write the pairs, or with `--check` only report those that differ; 1 if there are any."""
    parser = argparse.ArgumentParser(prog="python -m grokbook.book.pair", description=main.__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("notebooks"))
    parser.add_argument("--check", action="store_true", help="change nothing, fail where a pair differs")
    options = parser.parse_args(argv)
    if not options.folder.is_dir():
        parser.error(f"no folder {options.folder}")
    differing = stale(options.folder)
    for pair, text in differing.items():
        if not options.check:
            pair.write_text(text, "utf8")
        print(f"{pair} {'differs from its .md' if options.check else 'written'}")
    return 1 if options.check and differing else 0


if __name__ == "__main__":
    sys.exit(main())
