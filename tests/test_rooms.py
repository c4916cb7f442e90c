"""The ten rooms: each imports only from those before it, and no two modules import each other."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from checkout import ROOT

PACKAGE = ROOT / "grokbook"
ROOMS = ["errors", "data", "model", "fourier", "runs", "training", "analysis", "paper", "figures", "book", "cli"]
"""From what is used by all to what uses all; exceptions, which all may raise, stand before the rooms."""
CORE = ROOMS[: ROOMS.index("analysis")]
HEAVY = {"plotly", "IPython", "ipywidgets", "jupyter_client", "jupytext", "nbformat", "nbclient", "papermill", "sphinx"}
"""What figures and the book need, and a bare GPU machine has not."""


def name_of(file: Path, root: Path) -> str:
    parts = file.relative_to(root.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(source: str, name: str = "grokbook", is_package: bool = True) -> set[str]:
    """Everything that a file imports, wherever in the file, type checking included, with whole names."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            parts = name.split(".") if is_package else name.split(".")[:-1]
            base = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, [base, node.module]))
            found |= {f"{module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def room(name: str) -> str:
    return name.split(".")[1] if name.count(".") else ""


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def imports_of(file: Path) -> set[str]:
    return imported(file.read_text(), name_of(file, PACKAGE), file.stem == "__init__")


def test_every_way_to_import_is_seen():
    source = "import grokbook.cli.runs\nfrom grokbook import book\nfrom grokbook.runs.run import x\nfrom . import y"
    assert imported(source, "grokbook.model.weights", False) == {
        *("grokbook.cli.runs", "grokbook.book", "grokbook.runs.run.x", "grokbook.model.y")
    }


def test_there_are_ten_rooms_and_hardly_anything_beside_them():
    assert {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(ROOMS[1:])
    assert len([*PACKAGE.glob("*.py")]) <= 4


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_imports_only_from_those_before_it(name):
    own = files(PACKAGE / name) if (PACKAGE / name).is_dir() else [PACKAGE / f"{name}.py"]
    allowed = set(ROOMS[: ROOMS.index(name) + 1])
    for file in own:
        ours = {other for other in imports_of(file) if other.startswith("grokbook.")}
        later = {other for other in ours if room(other) not in allowed}
        assert not later, f"{file.relative_to(PACKAGE)} imports {later}"


def test_no_modules_import_each_other():
    modules = {name_of(file, PACKAGE): file for file in files(PACKAGE)}
    graph = {}
    for name, file in modules.items():
        mine = imports_of(file)
        found = {other if other in modules else other.rpartition(".")[0] for other in mine} & set(modules)
        # A room's public face imports nothing until it is asked for a name.
        graph[name] = {other for other in found if modules[other].stem != "__init__"}
    TopologicalSorter(graph).prepare()  # raises CycleError


@pytest.mark.parametrize("name", CORE)
def test_the_core_runs_on_a_bare_machine(name):
    own = files(PACKAGE / name) if (PACKAGE / name).is_dir() else [PACKAGE / f"{name}.py"]
    for file in own:
        heavy = {other.partition(".")[0] for other in imports_of(file)} & HEAVY
        assert not heavy, f"{file.relative_to(PACKAGE)} imports {heavy}"


def test_no_module_is_longer_than_a_reader_bears():
    sources = [*files(PACKAGE), *PACKAGE.rglob("*.[ch]")]
    lengths = {str(file.relative_to(PACKAGE)): len(file.read_text().splitlines()) for file in sources}
    assert {name: length for name, length in lengths.items() if length > 350} == {}
