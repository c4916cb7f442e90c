"""Imports inside the library go one way: each module imports only from those named before it."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "grokbook"
ORDER = [
    *("errors", "disk", "modules", "expressions", "operations", "prompts", "config", "folders"),
    *("schedule", "progress", "provenance", "paper", "paper_results", "taxonomy", "experiments"),
    *("data", "labels", "weights", "plan", "triton_sums", "kernels", "folded", "backward", "model"),
    *("fourier", "measures"),
    *("runs", "memory", "engine", "record", "checkpoints", "locks", "training", "retraining", "store", "gathering"),
    *("estimates", "sweeps", "cluster"),
    *("verification", "publishing", "outcomes", "repeats", "grid"),
    *("restricted", "ablation_history", "coordinates", "twins"),
    *("claims", "figures", "live", "workshop", "book", "cli"),
]
"""From what is used by all to what uses all. A name stands for a module or a package."""


def imported(source: Path) -> set[str]:
    """First names, below `grokbook`, of what a file imports from the library, type checking included."""
    found = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "grokbook":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("grokbook."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("grokbook.")}
    return found


def test_every_way_to_import_is_seen(tmp_path):
    source = tmp_path / "module.py"
    source.write_text(
        "import grokbook.cli.runs\nimport numpy.linalg\nfrom grokbook import book\nfrom grokbook.store import x"
    )
    assert imported(source) == {"cli", "book", "store"}


def test_every_module_has_its_place():
    there = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert there - {"__init__", "__main__"} == set(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_a_module_imports_only_what_stands_before_it(name):
    files = (PACKAGE / name).rglob("*.py") if (PACKAGE / name).is_dir() else [PACKAGE / f"{name}.py"]
    for file in files:
        later = imported(file) & set(ORDER[ORDER.index(name) + 1 :])
        assert not later, f"{file.relative_to(PACKAGE)} imports {later}"


def test_figures_and_commands_import_one_way_within():
    order = {
        "figures": [
            "style",
            "groups",
            "sliders",
            "curves",
            "spectra",
            "opening",
            "snapshot",
            "maps",
            "tables",
            "balance",
            "twins",
            "coordinates",
            "coordinate_tables",
            "missing",
            "points",
            "labels",
            "taxonomy",
            "mixtures",
            "modulus",
            "transfers",
            "grid",
            "grid_tables",
            "verdicts",
            "restricted",
            "restricted_tables",
            "teaching",
        ],
        "workshop": ["verdicts", "watch", "logits", "circuit", "beyond"],
        "cli": ["common", "train", "runs", "sweep", "claims", "notebooks"],
    }
    for package, modules in order.items():
        there = {path.stem for path in (PACKAGE / package).glob("*.py")}
        assert there - {"__init__"} == set(modules)
        for index, name in enumerate(modules):
            tree = ast.parse((PACKAGE / package / f"{name}.py").read_text())
            names = {
                node.module.rpartition(".")[2]
                for node in ast.walk(tree)
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"grokbook.{package}.")
            }
            assert not names & set(modules[index:]), f"{package}/{name}.py"
