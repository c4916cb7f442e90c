"""``grokbook notebook`` and ``grokbook book``."""

from __future__ import annotations

import ast
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer

from grokbook import folders
from grokbook.cli.common import extra, short_errors


def notebook(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="NOTEBOOK [-p NAME VALUE]...",
            help="A notebook's name, like elementary, or its path; then its parameters, like -p p 59.",
        ),
    ],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Where the executed notebook goes.")] = None,
) -> None:
    """Execute a notebook with parameters of your own."""
    with extra("book"):
        from grokbook.book import execute

    with short_errors(execute.NotebookError):
        name, parameters = _name_and_parameters(words)
        source = _notebook(name)
        target = output or Path(f"{source.stem}.out.ipynb")
        execute.execute_notebook(source, target, parameters, progress=True)
        print(target)


def book(
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder for the site.")] = None,
) -> None:
    """Execute the notebooks and build the site; prints the path of index.html."""
    with extra("book"):
        from grokbook.book import build, execute

    with short_errors(build.BuildError, execute.NotebookError):
        root = folders.checkout()
        if root is None:
            raise FileNotFoundError("the book is built from a checkout; this grokbook is installed without one")
        print(build.build(root, output))


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
    """The notebook at a path, or of that name in the checkout."""
    root = folders.checkout()
    places = [Path(name), *([root / "notebooks" / f"{name}.md"] if root is not None else [])]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        known = sorted(path.stem for path in root.glob("notebooks/*.md")) if root is not None else []
        near = get_close_matches(name, known, n=1)
        guess = f", did you mean {near[0]}?" if near else "."
        listed = f" The notebooks are {', '.join(known)}." if known else ""
        raise FileNotFoundError(f"no notebook {name!r}{guess}{listed}")
    return found


def _literal(text: str) -> Any:
    """A parameter's value: a Python number, list, None … where it reads as one, else the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
