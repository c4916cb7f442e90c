"""What tests of chapters share: their cells, their sections, and which of these draw."""

import ast
import inspect
import re

from checkout import ROOT

from grokbook import figures
from grokbook.book.parameters import read_notebook

CHAPTERS = [path for path in sorted((ROOT / "notebooks").glob("*.md")) if not path.stem.startswith("workshop_")]
DRAWING = {
    name
    for name in figures.__all__
    if inspect.isfunction(found := getattr(figures, name)) and found.__annotations__.get("return") == "go.Figure"
}


def cells(chapter, kind):
    return [cell.source for cell in read_notebook(chapter).cells if cell.cell_type == kind]


def sections(chapter):
    """Heading, text and code of each part below a heading of the second level."""
    found = []
    for cell in read_notebook(chapter).cells:
        if cell.cell_type == "code":
            if found:
                found[-1][2].append(cell.source)
            continue
        for part in re.split(r"^(?=## )", cell.source, flags=re.M):
            if part.startswith("## "):
                heading, _, text = part.partition("\n")
                found.append([heading.removeprefix("## "), text, []])
            elif found:
                found[-1][1] += f"\n\n{part}"
    return found


def draws(sources, helpers=frozenset()):
    """Whether code calls a function that makes a figure, or a helper of the notebook that does."""
    called = [node.func for source in sources for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    attributes = {func.attr for func in called if isinstance(func, ast.Attribute)}
    return bool(attributes & DRAWING or {func.id for func in called if isinstance(func, ast.Name)} & helpers)


def drawing_helpers(chapter):
    trees = [node for source in cells(chapter, "code") for node in ast.walk(ast.parse(source))]
    return {node.name for node in trees if isinstance(node, ast.FunctionDef) and draws([ast.unparse(node)])}
