"""The workshop's archive: what is in it, and that it runs where it is unpacked, without a network."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from book_sample import ROOT, sample_site

from grokbook.book import archive
from grokbook.book.exercises import GAP
from grokbook.runs import store as folders

pytestmark = pytest.mark.xdist_group("browser")  # where the sample book is built
WORKSHOPS = [source.stem for source in sorted((ROOT / "notebooks").glob("workshop_*.md"))]

OFFLINE = """
import socket

def refuse(*_, **__):
    raise OSError("there is no network here")

def local_only(function):
    def call(self, address):
        return function(self, address) if self.family == socket.AF_UNIX or address[0] == "127.0.0.1" else refuse()
    return call

socket.socket.connect = local_only(socket.socket.connect)
socket.socket.connect_ex = local_only(socket.socket.connect_ex)
socket.getaddrinfo = refuse
"""
"""For sitecustomize.py, which every Python reads when it starts: kernels talk to themselves, and to nobody else."""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    packed = archive.archive(ROOT, sample_site(), tmp_path_factory.mktemp("packed") / "new" / "workshop.zip")
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(packed) as zipped:
        assert zipped.testzip() is None
        zipped.extractall(folder)
    assert [path.name for path in folder.iterdir()] == [archive.NAME]
    return folder / archive.NAME


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory, unpacked: Path) -> Path:
    """A copy to work in: what runs there leaves files behind, and tests come in any order."""
    return shutil.copytree(unpacked, tmp_path_factory.mktemp("room") / archive.NAME)


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory, room: Path) -> dict[str, str]:
    """An environment in which Python has no network, and takes the library from the archive."""
    folder = tmp_path_factory.mktemp("offline")
    (folder / "sitecustomize.py").write_text(OFFLINE)
    (folder / "home").mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GROKBOOK_")}
    changes = {"PYTHONPATH": f"{folder}{os.pathsep}{room}", "HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}
    return environment | changes


def test_it_holds_book_notebooks_runs_library_and_the_list_of_wheels(unpacked: Path):
    assert (unpacked / "book" / "index.html").is_file()
    for folder in ("student", "instructor"):
        assert sorted(path.stem for path in (unpacked / folder).glob("*.ipynb")) == WORKSHOPS
    for folder, pattern in (("grokbook", "**/*.py"), ("notebooks", "*"), ("runs", "*/*")):
        mine = {str(path.relative_to(ROOT)) for path in (ROOT / folder).glob(pattern) if "/." not in str(path)}
        theirs = {str(path.relative_to(unpacked)) for path in (unpacked / folder).glob(pattern)}
        assert theirs == {path for path in mine if "__pycache__" not in path}
    assert not [path for path in unpacked.rglob("*") if path.name.startswith(".") or path.name == "__pycache__"]


def test_every_file_that_the_first_text_names_is_there(unpacked: Path):
    text = (unpacked / "START.txt").read_text("utf8")
    named = set(re.findall(r"\b(?:book|student|instructor)/[\w*.]+", text)) | set(re.findall(r"-r (\S+)", text))
    assert named == {"book/index.html", "student/*.ipynb", "instructor/*.ipynb", "wheels.txt"}
    assert all(list(unpacked.glob(name)) for name in named)


def test_links_of_workshops_lead_to_pages_of_the_archive(unpacked: Path):
    """The book in it is a small one here, so pages are those that the whole one is made of."""
    links = {
        link.partition("#")[0]
        for kind in ("student", "instructor")
        for path in (unpacked / kind).glob("*.ipynb")
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "markdown"
        for link in re.findall(r"\]\(([^):]+)\)", cell.source)
    }
    pages = {f"../book/{path.stem}.html" for path in (ROOT / "book").glob("*.md")}
    chapters = {f"../book/notebooks/{path.stem}.html" for path in (ROOT / "notebooks").glob("*.md")}
    workshops = {f"{stem}.ipynb" for stem in WORKSHOPS}
    assert links & pages
    assert links & chapters
    assert links <= pages | chapters | workshops


def test_gaps_are_for_students_and_notes_for_instructors(unpacked: Path):
    for stem in WORKSHOPS:
        sources: dict[str, str] = {}
        for kind in ("student", "instructor"):
            for cell in nbformat.read(unpacked / kind / f"{stem}.ipynb", as_version=4).cells:
                sources[f"{kind} {cell.cell_type}"] = sources.get(f"{kind} {cell.cell_type}", "") + cell.source
        assert GAP in sources["student code"]
        assert GAP not in sources["instructor code"]
        assert "For instructors" not in sources["student markdown"]
        assert "For instructors" in sources["instructor markdown"]


def test_the_wheels_are_what_is_installed_here(unpacked: Path):
    lines = (unpacked / "wheels.txt").read_text("utf8").splitlines()
    pins = dict(line.partition("==")[::2] for line in lines)
    pinned = dict(
        line.partition("==")[::2] for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    )
    assert {"torch", "plotly", "papermill", "jupyter-book", "ipykernel", "jupyterlab"} <= pins.keys()
    lower = {name.lower(): version for name, version in pinned.items()}
    assert not {name: version for name, version in pins.items() if lower.get(name.lower()) != version}
    assert "pytest" not in pins  # what only the tests need stays here


def test_what_one_kind_of_system_needs_is_left_to_pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A list made beside a CUDA build of torch has to do for a Mac."""
    system = f'sys_platform == "{sys.platform}"'
    requires = {
        "torch": [f"cuda; {system}", "sympy", 'old; python_version < "3"', 'more; extra == "opt"'],
        "extra": [f'cuda; {system} and extra == "x"', 'deep; extra == "x"'],
        "cuda": ["cudart"],
    }

    def distribution(name: str) -> SimpleNamespace:
        return SimpleNamespace(metadata={"Name": name}, version="1.0+cpu", requires=requires.get(name))

    project = (
        '[project]\ndependencies = ["torch"]\n[project.optional-dependencies]\nbook = ["extra[x]"]\njupyter = ["lab"]\n'
    )
    (tmp_path / "pyproject.toml").write_text(project)
    monkeypatch.setattr(archive.metadata, "distribution", distribution)
    names = ["deep", "extra", "lab", "setuptools", "sympy", "torch"]
    assert archive.wheels(tmp_path).splitlines() == [f"{name}==1.0" for name in names]


def test_an_archive_is_whole_or_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    target = tmp_path / "workshop.zip"
    target.write_text("the last one")
    monkeypatch.setattr(archive, "_members", lambda *_: [("a", "text"), ("b", tmp_path / "missing")])
    with pytest.raises(FileNotFoundError):
        archive.archive(ROOT, tmp_path, target)
    assert [path.name for path in tmp_path.iterdir()] == [target.name]
    assert target.read_text() == "the last one"


def test_the_same_content_gives_the_same_files():
    first, second = (dict(archive._members(ROOT, ROOT / "tests")) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("stem", WORKSHOPS)
def test_a_student_s_notebook_runs_without_a_network(room: Path, offline: dict[str, str], stem: str):
    options = ["-p", "max_steps", "60", "-p", "p", "7", "-p", "device", "cpu"] if stem.startswith("workshop_1") else []
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", f"{stem}.ipynb", "done.ipynb", *options]
    done = subprocess.run(
        command, cwd=room / "student", env=offline, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    cells = nbformat.read(room / "student" / "done.ipynb", as_version=4).cells
    shown = "".join(str(output.get("data", "")) for cell in cells for output in cell.get("outputs", ()))
    assert "application/vnd.plotly.v1+json" in shown
    assert "Right" not in shown  # of what has a gap


def test_the_network_is_off_where_notebooks_run(offline: dict[str, str]):
    code = "import grokbook, urllib.request; print(grokbook.__file__); urllib.request.urlopen('http://127.0.0.2:9')"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=offline["HOME"], env=offline, capture_output=True, text=True, check=False
    )
    assert "there is no network here" in done.stderr
    assert archive.NAME in done.stdout  # the library is the archive's


def test_outside_a_checkout_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(folders, "checkout", lambda: None)
    assert archive.main() == 1
    assert "made from a checkout" in capsys.readouterr().err
