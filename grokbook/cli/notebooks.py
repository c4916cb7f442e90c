"""``grokbook notebook`` and ``grokbook book``."""

from __future__ import annotations

import ast
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer

from grokbook.cli.common import extra
from grokbook.runs import store as folders


def notebook(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="NOTEBOOK [-p NAME VALUE]...",
            help="A notebook's name or how it begins, like elementary, or its path; then its parameters, like -p p 59.",
        ),
    ],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Where the notebook goes.")] = None,
    student: Annotated[
        bool, typer.Option("--student", help="Write the student's copy of a workshop, with gaps, unexecuted.")
    ] = False,
    solutions: Annotated[
        bool, typer.Option("--solutions", help="Write the instructor's copy of a workshop, with solutions, executed.")
    ] = False,
) -> None:
    """Execute a notebook with parameters of your own, or write a copy of a workshop."""
    with extra("book"):
        from grokbook.book import copies, execute

    if student and solutions:
        raise ValueError("--student and --solutions are two copies: ask for one at a time")
    name, parameters = _name_and_parameters(words)
    source = _notebook(name)
    kind = "student" if student else "solutions" if solutions else "out"
    target = output or Path(f"{source.stem}.{kind}.ipynb")
    if student:
        execute.prepare_notebook(source, target, parameters, copy=copies.student_copy)
    else:
        copy = copies.instructor_copy if solutions else None
        execute.execute_notebook(source, target, parameters, progress=True, copy=copy)
    print(target)


def book(
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder for the site.")] = None,
) -> None:
    """Execute the notebooks and build the site; prints the path of index.html."""
    with extra("book"):
        from grokbook.book import build

    print(build.build(build.checkout_for("the book is built"), output))


def _name_and_parameters(words: list[str]) -> tuple[str, dict[str, Any]]:
    """Tell ``-p NAME VALUE``, any number of times, from the one word that is not part of it."""
    names, parameters = [], {}
    rest = iter(words)
    for word in rest:
        if word in ("-p", "--parameter"):
            key, value = next(rest, None), next(rest, None)
            if key is None or value is None:
                raise ValueError("a parameter is written like -p NAME VALUE")
            parameters[key] = _literal(value)
        else:
            names.append(word)
    if len(names) != 1:
        raise ValueError(f"one notebook at a time, with parameters like -p NAME VALUE; got {' '.join(names) or 'none'}")
    return names[0], parameters


def _notebook(name: str) -> Path:
    """The notebook at a path, or of that name in the checkout; its beginning is enough where only one has it."""
    if Path(name).is_file():
        return Path(name)
    root = folders.checkout()
    known = {path.stem: path for path in sorted(root.glob("notebooks/*.md"))} if root is not None else {}
    begun = [name] if name in known else [stem for stem in known if name and stem.startswith(name)]
    if len(begun) == 1:
        return known[begun[0]]
    near = begun or get_close_matches(name, known, n=1)
    guess = f", did you mean {' or '.join(near)}?" if near else "."
    short = (re.sub(r"^(workshop_\d+)_.*", r"\1", stem) for stem in known)  # beginnings that are enough
    listed = f" The notebooks are {', '.join(short)}." if known and not near else ""
    raise FileNotFoundError(f"no notebook {name!r}{guess}{listed}")


def _literal(text: str) -> Any:
    """A parameter's value: a Python number, list, None … where it reads as one, else the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
