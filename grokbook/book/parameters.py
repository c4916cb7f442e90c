"""What a notebook can be told: the parameters its source declares, and a check of values before any work."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jupytext
from nbformat import NotebookNode

from grokbook.book.exercises import tagged

TYPES = ("bool", "int", "float", "str", "list", "tuple", "dict", "None")
ALSO = {"float": "int", "list": "tuple", "tuple": "list"}
"""What else than a value of that type a parameter takes."""


class ParameterError(ValueError):
    """A parameter that the notebook does not have, or a value of the wrong type."""


class Parameter(NamedTuple):
    """One assignment of a notebook's parameters cell; `types` is empty where anything is accepted."""

    name: str
    default: str
    types: tuple[str, ...]


def read_notebook(source: Path) -> NotebookNode:
    """Read a MyST `.md` or an `.ipynb` notebook."""
    if not source.is_file():
        raise FileNotFoundError(f"no notebook at {source}")
    return jupytext.read(source)


def notebook_parameters(notebook: NotebookNode) -> dict[str, Parameter]:
    """Return what the first cell tagged `parameters` assigns at its top level, by name.

    Read with Python's own parser: papermill's inspection works line by line and overlooks `p: int | None = 3`.
    """
    cells = (cell.source for cell in notebook.cells if cell.cell_type == "code" and tagged(cell, "parameters"))
    found = {}
    for node in ast.parse(next(cells, "")).body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=ast.expr() as value):
                found[name] = Parameter(name, ast.unparse(value), tuple(_named_types(annotation)))
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found[name] = Parameter(name, ast.unparse(value), _literal_types(value))
    return found


def _named_types(annotation: ast.expr) -> Iterable[str]:
    match annotation:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            sides = [tuple(_named_types(side)) for side in (left, right)]
            return () if () in sides else sides[0] + sides[1]
        case ast.Subscript(value=ast.Name(id=name)) | ast.Name(id=name) if name in TYPES:
            return (name,)
        case ast.Constant(value=None):
            return ("None",)
    return ()


def _literal_types(value: ast.expr) -> tuple[str, ...]:
    try:
        literal = ast.literal_eval(value)
    except ValueError:
        return ()
    return () if literal is None else (type(literal).__name__,)


def check_parameters(notebook: NotebookNode, parameters: Mapping[str, Any], name: str) -> None:
    """Refuse parameters the notebook, called ``name``, does not have or cannot take, all of them in one message.

    Raises:
        ParameterError: An unknown name (with the nearest valid ones) or an ill-typed value.
    """
    valid = notebook_parameters(notebook)
    problems = []
    for key, value in parameters.items():
        if key not in valid:
            near = difflib.get_close_matches(key, valid, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(valid) or 'none'}"
            problems.append(f"{name} has no parameter {key!r}; {hint}")
        elif not _accepts(valid[key].types, value):
            types = " or ".join(valid[key].types)
            problems.append(f"{name}: {key} takes {types}, not {type(value).__name__} ({value!r})")
    if problems:
        raise ParameterError("\n".join(problems))


def _accepts(types: tuple[str, ...], value: object) -> bool:
    """True where `value` fits; a bool is an int to Python, but `p=True` is a mistake."""
    given = "None" if value is None else type(value).__name__
    return not types or any(given in (name, ALSO.get(name)) for name in types)
