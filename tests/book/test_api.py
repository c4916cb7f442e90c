"""The pages about the library: every public name is on one of them, and once."""

import ast
import re
from pathlib import Path
from unittest.mock import Mock

import yaml
from checkout import ROOT
from sphinx.application import Sphinx

from grokbook import figures
from grokbook.book.sphinx_ext import _skip_tables

API = ROOT / "book" / "api"
PACKAGE = ROOT / "grokbook"
FRAME = "pd.DataFrame"
PAGES = {path.stem: path.read_text("utf8") for path in sorted(API.glob("*.md"))}


def modules() -> list[str]:
    """What pages are about, as they name it."""
    return [name for text in PAGES.values() for name in re.findall(r"automodule:: (\S+)", text)]


def behind(face: Path) -> set[str]:
    """The modules that the names of a public face come from."""
    room = ".".join(face.parent.relative_to(ROOT).parts)
    found = set()
    for node in ast.parse(face.read_text()).body:
        if isinstance(node, ast.ImportFrom):
            names = [f".{alias.name}" for alias in node.names] if node.module is None else [f".{node.module}"]
            found |= {room + name for name in names}
    return found


def test_every_public_name_has_a_place():
    rooms = set().union(*map(behind, PACKAGE.rglob("__init__.pyi")))
    one_by_one = {name for name in rooms if name.startswith("grokbook.figures.")}  # by what they give, see below
    faces = {name for name in rooms if (ROOT / Path(*name.split("."))).with_suffix("").is_dir()}
    assert rooms - one_by_one - faces <= set(modules())


def test_no_module_has_two_places():
    named = modules()
    assert sorted(named) == sorted(set(named))


def test_every_table_is_named_on_its_page():
    offered = {name: getattr(figures, name) for name in figures.__all__}
    tables = {name for name, each in offered.items() if getattr(each, "__annotations__", {}).get("return") == FRAME}
    listed = re.findall(r"autofunction:: (\w+)", PAGES["tables"])
    assert sorted(tables - {*listed}) == [], "name these in book/api/tables.md"
    assert {*listed} <= offered.keys(), "book/api/tables.md names what grokbook/figures/__init__.pyi does not list"
    assert sorted(listed) == sorted(set(listed))


def test_what_the_page_on_tables_names_is_left_out_of_the_one_on_figures():
    app = Mock(spec=Sphinx, env=Mock(temp_data={"autodoc:module": "grokbook.figures"}))
    app.env.doc2path = lambda page: ROOT / "book" / f"{page}.md"
    skipped = {
        name: _skip_tables(app, "module", name, getattr(figures, name), False, None)
        for name in ("outcome_table", "accuracy_curves")
    }
    assert skipped == {"outcome_table": True, "accuracy_curves": None}


def test_every_page_is_in_the_contents_under_the_library():
    contents = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text("utf8"))
    (library,) = [
        chapter for part in contents["parts"] for chapter in part["chapters"] if chapter["file"] == "api/index"
    ]
    assert {section["file"] for section in library["sections"]} == {f"api/{name}" for name in PAGES} - {"api/index"}


def test_the_first_page_names_everything_that_the_package_offers():
    tree = ast.parse((PACKAGE / "__init__.pyi").read_text())
    names = {alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert set(re.findall(r"`gb\.(\w+)", PAGES["index"])) >= names
