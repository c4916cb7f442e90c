"""pyproject.toml, environment.yml, constraints.txt and the set-up commands say the same, and say it truly."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from checkout import ROOT
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
CORE = [Requirement(line) for line in PROJECT["dependencies"]]
BOOK, JUPYTER, CLUSTER, TEST, BENCH = (
    [Requirement(line) for line in PROJECT["optional-dependencies"][extra]]
    for extra in ("book", "jupyter", "cluster", "test", "bench")
)
ALL = CORE + BOOK + JUPYTER + TEST
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text("utf8"))


def pin_lines(file: str) -> list[str]:
    return [line for line in (ROOT / file).read_text("utf8").splitlines() if not line.startswith("#")]


def pins(lines: Iterable[str]) -> dict[str, str]:
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


PIN_LINES, BENCH_PIN_LINES = pin_lines("constraints.txt"), pin_lines("benchmarks/constraints.txt")
PINS, BENCH_PINS = pins(PIN_LINES), pins(BENCH_PIN_LINES)
# torch pins its CUDA parts exactly, and only where it is built with them.
LEFT_TO_TORCH = ("nvidia-", "cuda-", "triton")


def names(requirements: Iterable[Requirement]) -> set[str]:
    return {canonicalize_name(requirement.name) for requirement in requirements}


def test_environment_has_the_requirements_of_pyproject() -> None:
    *conda, pip = ENVIRONMENT["dependencies"]
    (python,) = (Requirement(line) for line in conda if line.startswith("python"))
    assert python.specifier == SpecifierSet(PROJECT["requires-python"])
    assert pip["pip"][:2] == ["-c constraints.txt", "-e ."]
    listed = sorted(str(Requirement(line)) for line in pip["pip"][2:])
    assert listed == sorted(set(map(str, ALL)))


def test_every_requirement_is_pinned_to_a_version_it_allows() -> None:
    for requirement in ALL:
        pin = PINS.get(canonicalize_name(requirement.name))
        assert pin is not None, f"{requirement} has no pin in constraints.txt"
        assert requirement.specifier.contains(pin), f"{requirement} is pinned to {pin}"


def test_what_figures_need_the_book_needs_too() -> None:
    figures = [Requirement(line) for line in PROJECT["optional-dependencies"]["figures"]]
    assert {str(requirement) for requirement in figures} <= {str(requirement) for requirement in BOOK}
    assert not undeclared((PACKAGE / "figures").glob("*.py"), names(CORE + figures) | {"ipython"})


def test_binder_installs_the_library_and_its_figures_with_the_same_pins() -> None:
    lines = (ROOT / "binder" / "requirements.txt").read_text("utf8").splitlines()
    assert [line for line in lines if line.startswith("-")][1:] == ["-c ../constraints.txt", "-e .[figures]"]
    python = (ROOT / "binder" / "runtime.txt").read_text("utf8").strip().removeprefix("python-")
    assert SpecifierSet(PROJECT["requires-python"]).contains(python)


def test_pins_are_exact_and_serve_every_build_of_torch() -> None:
    assert len(PINS) == len(PIN_LINES), "a package is pinned twice"
    for name, version in PINS.items():
        assert Version(version).local is None, f"{name}=={version} names one particular build"
        assert not name.startswith(LEFT_TO_TORCH)
    assert PINS["torch"] == "2.13.0"


def test_what_the_benchmark_adds_is_pinned_apart() -> None:
    assert len(BENCH_PINS) == len(BENCH_PIN_LINES), "a package is pinned twice"
    assert not BENCH_PINS.keys() & PINS.keys(), "pinned in both files, which `make bench` puts together"
    for requirement in BENCH:
        assert requirement.specifier.contains(BENCH_PINS[canonicalize_name(requirement.name)])
    for name, version in BENCH_PINS.items():
        assert Version(version).local is None, f"{name}=={version} names one particular build"
        assert not name.startswith(LEFT_TO_TORCH)
    assert not names(BENCH) & names(ALL + CLUSTER), "the tests do without it"


def installed_closure(requirements: Iterable[Requirement]) -> Iterator[tuple[str, Requirement]]:
    """Every requirement, direct or not, that applies to this interpreter, with what asked for it."""
    queue = [("pyproject.toml", requirement) for requirement in requirements]
    seen = set()
    while queue:
        parent, requirement = queue.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in seen or key[0].startswith(LEFT_TO_TORCH):
            continue
        seen.add(key)
        yield parent, requirement
        for line in metadata.requires(requirement.name) or ():
            child = Requirement(line)
            extras = requirement.extras or {""}
            if child.marker is None or any(child.marker.evaluate({"extra": extra}) for extra in extras):
                queue.append((requirement.name, child))


def test_everything_the_requirements_bring_along_is_pinned() -> None:
    for parent, requirement in installed_closure(ALL):
        pin = PINS.get(canonicalize_name(requirement.name))
        assert pin is not None, f"{requirement.name}, needed by {parent}, has no pin in constraints.txt"
        allowed = requirement.specifier.contains(pin, prereleases=True)
        assert allowed, f"{parent} needs {requirement}, which is pinned to {pin}"


def imported(source: Path, only_at_import: bool) -> Iterator[str]:
    """Top-level names of the packages a file imports; on request without those in functions or for types alone."""
    queue: list[ast.AST] = [ast.parse(source.read_text("utf8"))]
    while queue:
        node = queue.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]
        if only_at_import and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if only_at_import and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            queue.extend(node.orelse)
        else:
            queue.extend(ast.iter_child_nodes(node))


def undeclared(sources: Iterable[Path], allowed: set[str], only_at_import: bool = False) -> set[tuple[str, str]]:
    """Imports of these files that come from no allowed distribution: (file, imported name)."""
    distributions = metadata.packages_distributions()
    local = {"grokbook", "benchmarks", *(path.stem for path in (ROOT / "tests").rglob("*.py"))}
    return {
        (str(source.relative_to(ROOT)), name)
        for source in sources
        for name in imported(source, only_at_import)
        if name not in local | sys.stdlib_module_names
        and not {canonicalize_name(found) for found in distributions.get(name, ())} & allowed
    }


PACKAGE = ROOT / "grokbook"
NEEDS_BOOK = {*(PACKAGE / "figures").rglob("*.py"), *(PACKAGE / "book").rglob("*.py")}
NEEDS_CLUSTER = {PACKAGE / "training" / "cluster.py"}
NEEDS_TEST = {PACKAGE / "book" / name for name in ("chromium.py", "pdf.py", "picture.py")}  # the tests' browser


WITH_TORCH = {("grokbook/model/triton_sums.py", "triton")}
"""What a torch for CUDA brings along, in the version that it needs, and is imported only where it is."""


def test_imports_are_declared() -> None:
    assert undeclared(set(PACKAGE.rglob("*.py")) - NEEDS_TEST - NEEDS_CLUSTER, names(CORE + BOOK)) <= WITH_TORCH
    assert not undeclared(NEEDS_CLUSTER, names(CORE + CLUSTER))
    assert not undeclared([*NEEDS_TEST, *(ROOT / "tests").rglob("*.py")], names(CORE + BOOK + TEST))


def test_core_can_be_imported_without_extras() -> None:
    core = set(PACKAGE.rglob("*.py")) - NEEDS_BOOK - NEEDS_CLUSTER
    assert undeclared(core, names(CORE), only_at_import=True) <= WITH_TORCH


def test_benchmarks_can_be_imported_without_their_extra() -> None:
    sources = set((ROOT / "benchmarks").glob("*.py"))
    assert not undeclared(sources, names(CORE), only_at_import=True)
    # Where the extra is not installed, nobody knows which distribution its module is of.
    browser = {ROOT / "benchmarks" / "first_figure.py"}  # the tests' browser
    assert undeclared(sources - browser, names(CORE + BENCH)) <= {("benchmarks/task.py", "transformer_lens")}
    assert not undeclared(browser, names(CORE + TEST))


def test_entry_points_lead_somewhere() -> None:
    declared = [
        *PROJECT["scripts"].items(),
        *PROJECT["entry-points"]["myst_nb.mime_renderers"].items(),
    ]
    for name, value in declared:
        assert callable(metadata.EntryPoint(name, value, group="").load())


def test_whatever_lies_beside_the_modules_is_installed_with_them() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["tool"]["setuptools"]["package-data"]
    packages = [file.parent for file in (ROOT / "grokbook").rglob("__init__.py")]
    for file in (ROOT / "grokbook").rglob("*"):
        if file.is_dir() or file.suffix in (".py", ".pyc"):
            continue
        package = next(folder for folder in file.parents if folder in packages)
        patterns = [*settings["*"], *settings.get(".".join(package.relative_to(ROOT).parts), [])]
        assert any(fnmatch(str(file.relative_to(package)), pattern) for pattern in patterns), file


def test_citation_fits_the_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf8"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()
    assert (citation["title"], citation["version"]) == (PROJECT["name"], PROJECT["version"])
    assert citation["license"] == PROJECT["license"]
    (paper,) = citation["references"]
    assert paper["url"].endswith("2402.16726")
    authors = [author["family-names"] for author in paper["authors"]]
    assert authors == ["Furuta", "Minegishi", "Iwasawa", "Matsuo"]


def test_both_installs_are_by_path() -> None:
    makefile = (ROOT / "Makefile").read_text("utf8")
    assert re.search(r"^EDITABLE := .*--config-settings editable_mode=compat -e$", makefile, re.MULTILINE)
    assert re.findall(r"\$\(EDITABLE\) '(.*)'", makefile) == [".[book,jupyter]", ".[book,jupyter,test]"]


def recipe(target: str) -> list[str]:
    """The commands of a target of the Makefile, with names filled in."""
    folder = ROOT / ".venv"
    dry = run(["make", "--dry-run", f"--old-file={folder.name}/installed-test", target], ROOT, PATH=os.environ["PATH"])
    return dry.stdout.splitlines()


def test_pre_commit_runs_what_make_lint_runs() -> None:
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf8"))["repos"]
    assert [hook["entry"] for hook in local["hooks"]] == recipe("lint")
    assert all(hook["language"] == "system" and not hook["pass_filenames"] for hook in local["hooks"])


def test_every_workflow_is_checked() -> None:
    names = {path.name for path in (ROOT / ".github" / "workflows").iterdir()}
    (command,) = (command for command in recipe("lint") if "check-jsonschema" in command)
    assert {Path(word).name for word in command.split() if word.endswith(".yml")} == names


def test_the_library_is_found_from_the_folder_around_the_clone(tmp_path: Path) -> None:
    """There the clone itself, a folder without __init__.py, is the first thing called grokbook."""
    (tmp_path / "around" / "grokbook").mkdir(parents=True)
    (tmp_path / "editable.pth").write_text(f"{ROOT}\n")  # what an install by path leaves
    code = (
        f"import site; site.addsitedir({str(tmp_path)!r})\n"
        "from importlib.util import find_spec; print(find_spec('grokbook').origin)"
    )
    result = run([sys.executable, "-S", "-c", code], tmp_path / "around", PATH=os.environ["PATH"])
    assert result.stdout.strip() == str(ROOT / "grokbook" / "__init__.py"), result.stderr


def test_git_ignores_what_the_readme_s_commands_leave() -> None:
    for name in (
        "out.ipynb",
        "pre_grokked.out.ipynb",
        "workshop_1.student.ipynb",
        "workshop_1.solutions.ipynb",
        ".grokbook/runs",
    ):
        ignored = subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT, check=False)
        assert ignored.returncode in (0, 128), name  # 128: no git repository


def run(command: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the set-up files alone."""
    (tmp_path / ".ci").mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt", ".ci/run"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def script(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", "utf8")
    path.chmod(0o755)


def test_make_refuses_an_old_python(clone: Path) -> None:
    script(clone / "old-python", 'test "$1" = --version && echo Python 3.9.2 || exit 1')
    result = run(["make", "book", f"PYTHON={clone}/old-python"], clone, PATH=os.environ["PATH"])
    assert result.returncode != 0
    assert "needs Python 3.11 or newer" in result.stderr
    assert "Python 3.9.2" in result.stderr
    assert not (clone / ".venv").exists()


def test_make_test_refuses_to_go_without_a_browser(clone: Path) -> None:
    for missing in ("", "no-such-browser"):
        result = run(["make", "test", f"GROKBOOK_CHROMIUM={missing}"], clone, PATH=os.environ["PATH"])
        assert result.returncode != 0
        assert "set GROKBOOK_CHROMIUM" in result.stderr
        assert not (clone / ".venv").exists()


@pytest.fixture
def bare_machine(clone: Path) -> Path:
    """A PATH without a browser, where `make` only says that it was called."""
    tools = clone / "bin"
    script(tools / "make", f"echo make $*; touch {clone}/made")
    script(tools / "sudo", 'exec "$@"')
    for tool in ("bash", "dirname", "env", "id", "touch", "chmod", "sh"):
        (tools / tool).symlink_to(str(shutil.which(tool)))
    return tools


@pytest.mark.parametrize("apt", ["exit 1", "exit 0"])
def test_ci_fails_when_no_browser_can_be_had(clone: Path, bare_machine: Path, apt: str) -> None:
    script(bare_machine / "apt-get", apt)
    result = run([str(clone / ".ci/run")], clone, PATH=str(bare_machine))
    assert result.returncode != 0
    assert not (clone / "made").exists()


def test_ci_installs_a_browser_and_runs_the_tests(clone: Path, bare_machine: Path) -> None:
    browser = bare_machine / "chromium"
    script(bare_machine / "apt-get", f"test $1 = update || {{ touch {browser}; chmod +x {browser}; }}")
    result = run([str(clone / ".ci/run")], clone, PATH=str(bare_machine))
    assert (result.returncode, result.stdout.strip()) == (0, "make test"), result.stderr
