"""The cells around a notebook that is opened outside the book."""

import runpy
import subprocess
import sys
import types
from pathlib import Path

import nbformat
import pytest
import yaml
from book_sample import ROOT

from grokbook.book.frame import CLOSING, REPOSITORY, SETUP, closed, framed


def markdown(text: str):
    return nbformat.v4.new_markdown_cell(text)


def code(text: str):
    return nbformat.v4.new_code_cell(text)


def sources(cells) -> list[str]:
    return [cell.source for cell in cells]


def test_the_cells_stand_after_the_heading_and_at_the_end():
    own = [markdown("# Title"), code("p = 3"), markdown("text")]
    assert sources(framed(own)) == ["# Title", SETUP, "p = 3", "text", CLOSING]
    assert sources(framed([code("p = 3")])) == [SETUP, "p = 3", CLOSING]
    assert sources(closed(own)) == ["# Title", "p = 3", "text", CLOSING]


def test_a_notebook_saved_with_them_does_not_get_them_twice():
    own = [markdown("# Title"), code("p = 3")]
    assert sources(framed(framed(own))) == sources(framed(own))
    assert sources(closed(closed(own))) == sources(closed(own))
    assert sources(closed(framed(own))) == sources(framed(own)), "executed as it is"


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """Commands that are run, in a folder of their own; none of them does anything."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    found = []
    monkeypatch.setattr(
        subprocess, "run", lambda command, check: found.append(([str(word) for word in command], check))
    )
    return found


def run_setup() -> None:
    Path("setup_cell.py").write_text(SETUP)
    runpy.run_path("setup_cell.py")


def test_outside_colab_nothing_is_done(calls):
    before = list(sys.path)
    run_setup()
    assert calls == []
    assert sys.path == before


def test_in_colab_library_and_runs_are_fetched_once(calls, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    run_setup()
    clone = tmp_path / "grokbook"
    (git, checked), (pip, also_checked) = calls
    assert git == ["git", "clone", "--quiet", "--depth=1", REPOSITORY, str(clone)]
    assert pip == [sys.executable, "-m", "pip", "install", "--quiet", "-e", f"{clone}[figures]"]
    assert checked
    assert also_checked, "a failure is an error, not a notebook that trains what is published"
    assert sys.path[0] == str(clone), "the clone is where the published runs are looked for"
    clone.mkdir()
    calls.clear()
    run_setup()
    assert [command[0] for command, _ in calls] == [sys.executable]


def test_the_repository_is_the_one_that_the_pages_link_to():
    assert yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))["repository"]["url"] == REPOSITORY
