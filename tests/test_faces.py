"""The public face of every room: each name in it resolves, is documented, and is no module of the same name."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest
from checkout import ROOT

PACKAGE = ROOT / "grokbook"


class Offered(NamedTuple):
    """A name of a public face, and the module that defines it."""

    face: str
    module: str
    name: str


def module_name(face: Path) -> str:
    return ".".join(face.parent.relative_to(ROOT).parts)


def offered(face: Path) -> list[Offered]:
    """What a stub offers, such as ``from .store import RunStore as RunStore`` or ``from . import data as data``."""
    here = module_name(face)
    return [
        Offered(here, f"{here}.{node.module}" if node.module else here, alias.name)
        for node in ast.parse(face.read_text()).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]


FACES = sorted(PACKAGE.rglob("__init__.pyi"))
NAMES = [each for face in FACES for each in offered(face)]
LEANS_ON_ANOTHER = re.compile(r"(The same|The other|As |See |It |They |Those |That |These |This |Such |Like )")
"""How a sentence begins that only who has read another one understands."""

each_name = pytest.mark.parametrize("each", NAMES, ids=lambda each: f"{each.face}.{each.name}")


def documentation(each: Offered) -> str | None:
    """The docstring of what is behind a name; of a constant, the string below its assignment."""
    value = getattr(importlib.import_module(each.face), each.name)
    if isinstance(value, ModuleType) or inspect.isclass(value) or inspect.isfunction(value):
        return inspect.getdoc(value)
    return below_assignment(importlib.import_module(each.module), each.name)


def below_assignment(module: ModuleType, name: str) -> str | None:
    body = ast.parse(inspect.getsource(module)).body
    for statement, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(statement, ast.ImportFrom) and name in {alias.asname or alias.name for alias in statement.names}:
            return below_assignment(importlib.import_module(str(statement.module)), name)
        targets = getattr(statement, "targets", [getattr(statement, "target", None)])
        names = [part for target in targets for part in getattr(target, "elts", [target])]
        if name in {part.id for part in names if isinstance(part, ast.Name)}:
            string = following.value if isinstance(following, ast.Expr) else None
            return string.value if isinstance(string, ast.Constant) else None
    return None


@each_name
def test_every_name_is_documented_by_a_sentence_that_stands_alone(each):
    text = documentation(each)
    assert text, "no docstring"
    first = " ".join(text.partition("\n\n")[0].split())
    assert re.search(r"[.:](\s|$)", first), f"no sentence: {first}"
    assert not LEANS_ON_ANOTHER.match(first), f"leans on another one: {first}"


@each_name
def test_no_name_is_hidden_by_a_module(each):
    """Whoever imports such a module puts it in the place of the name."""
    beside = ROOT / Path(*each.face.split(".")) / each.name
    is_module = beside.is_dir() or beside.with_suffix(".py").exists()
    assert is_module == (each.module == each.face), "a module of this name is beside it"


@pytest.mark.parametrize("face", FACES, ids=module_name)
def test_a_face_is_complete_under_tab_and_has_each_name_once(face):
    names = [each.name for each in offered(face)]
    assert sorted(names) == sorted(set(names))
    assert set(dir(importlib.import_module(module_name(face)))) >= set(names)


def test_the_package_offers_what_the_design_names():
    assert {each.name for each in NAMES if each.face == "grokbook"} >= {
        *(
            "Operation",
            "RunConfig",
            "Run",
            "Store",
            "RunStore",
            "default_store",
            "train",
            "ensure",
            "gather",
            "DamagedRun",
        ),
        *("data", "fourier", "measures", "model", "runs", "analysis", "paper", "figures", "live"),
    }


def test_importing_the_package_imports_nothing_slow():
    code = "import grokbook, sys; dir(grokbook); sys.exit(bool({'torch', 'pandas', 'plotly'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
