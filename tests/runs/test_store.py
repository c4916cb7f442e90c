import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from checkout import ROOT

from grokbook import default_store
from grokbook.model.weights import EMBEDDING
from grokbook.runs import store as folders
from grokbook.runs.config import config_in
from grokbook.runs.store import FolderStore, default_folders


def test_the_environment_names_the_default_folders(monkeypatch, tmp_path):
    monkeypatch.setenv("GROKBOOK_STORE", str(tmp_path / "mine"))
    root = ROOT
    assert default_folders().path == tmp_path / "mine"
    assert default_folders().published == (root / "runs",)
    monkeypatch.delenv("GROKBOOK_STORE")
    assert default_folders().path == root / ".grokbook" / "runs"
    monkeypatch.setenv("GROKBOOK_STORE", "")
    assert default_folders().path == root / ".grokbook" / "runs"


def test_the_environment_can_forbid_training(monkeypatch):
    monkeypatch.delenv("GROKBOOK_STORED_ONLY", raising=False)
    assert not default_folders().stored_only
    monkeypatch.setenv("GROKBOOK_STORED_ONLY", "1")
    assert default_folders().stored_only


def test_outside_a_checkout_runs_go_to_the_current_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("GROKBOOK_STORE", raising=False)
    monkeypatch.setattr(folders, "__file__", str(tmp_path / "site-packages" / "grokbook" / "runs" / "folders.py"))
    monkeypatch.chdir(tmp_path)
    assert folders.checkout() is None
    assert default_folders().path == Path.cwd() / ".grokbook" / "runs"
    assert default_folders().published == ()


def test_an_installed_library_finds_the_checkout_that_the_current_folder_is_in(monkeypatch, tmp_path):
    monkeypatch.setattr(folders, "__file__", str(tmp_path / "site-packages" / "grokbook" / "runs" / "folders.py"))
    root = tmp_path / "unpacked"
    for folder in ("notebooks", "runs", "student", "grokbook/runs"):
        (root / folder).mkdir(parents=True)
    (root / "pyproject.toml").touch()
    monkeypatch.chdir(root / "student")
    assert folders.checkout() is None, "some project that happens to have notebooks"
    (root / "grokbook" / "runs" / "store.py").touch()
    assert folders.checkout() == root
    assert default_folders().published == (root / "runs",)


def test_new_runs_are_ignored_by_git():
    ignored = (ROOT / ".gitignore").read_text()
    assert re.search(r"^/?\.grokbook/?$", ignored, re.MULTILINE)


def test_the_default_store_is_the_default_folders(monkeypatch, tmp_path):
    monkeypatch.setenv("GROKBOOK_STORE", str(tmp_path / "mine"))
    monkeypatch.setenv("GROKBOOK_STORED_ONLY", "1")
    store, expected = default_store(), default_folders()
    assert (store.path, store.published, store.stored_only) == (expected.path, expected.published, True)


def test_missing_names_sources_before_their_heirs(tmp_path, tiny):
    source, other = tiny("a+b"), tiny("a*b")
    heir = tiny("a-b", source=source, transplant=EMBEDDING)
    places = FolderStore(tmp_path / "mine", [tmp_path / "published"])
    assert places.missing([heir, other, heir]) == [source, heir, other]
    (tmp_path / "published" / source.name).mkdir(parents=True)
    assert places.missing([heir, other]) == [source, heir, other], "nothing can start from a run without weights"
    (tmp_path / "published" / source.name / folders.WEIGHTS).touch()
    assert places.missing([heir, other]) == [heir, other]
    (tmp_path / "mine" / heir.name).mkdir(parents=True)
    assert places.missing([heir, source, other]) == [other]
    shutil.rmtree(tmp_path / "published" / source.name)
    assert places.missing([heir]) == [], "a source is wanted for its heir alone"


def test_whole_folders_are_those_with_weights(tmp_path, tiny):
    places = FolderStore(tmp_path / "mine", [tmp_path / "published"], stored_only=True)
    for place in ("mine", "published"):
        (tmp_path / place / tiny().name).mkdir(parents=True)
    assert tiny() in places
    assert tiny() not in places.sources
    assert places.sources.stored_only
    (tmp_path / "mine" / tiny().name / folders.WEIGHTS).touch()
    assert places.folder(tiny()) == tmp_path / "published" / tiny().name
    assert places.sources.folder(tiny()) == tmp_path / "mine" / tiny().name
    assert list(places.sources.folders()) == [tmp_path / "mine" / tiny().name]


SLOW = {"torch", "pandas", "pyarrow", "plotly"}


@pytest.mark.parametrize("module", ["grokbook", "grokbook.cli", "grokbook.runs.store", "grokbook.paper.experiments"])
def test_nothing_slow_is_imported_before_it_is_needed(module):
    code = f"import sys, {module}; print(*sorted({SLOW} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


def test_a_config_is_read_only_where_two_places_have_one_run(tmp_path, tiny, tiny_run, monkeypatch):
    places = FolderStore(tmp_path / "mine", [tmp_path / "published"])
    FolderStore(tmp_path / "published").put(tiny_run)
    places.put(replace(tiny_run, config=tiny("a-b")))
    read: list[Path] = []
    monkeypatch.setattr(folders, "config_in", lambda folder: read.append(folder) or config_in(folder))
    assert [folder.parent.name for folder in places.folders()] == ["published", "mine"]
    assert not read
    places.put(tiny_run)
    assert len(list(places.folders())) == 2
    assert read
    assert {folder.name for folder in read} == {tiny_run.config.name}


def test_published_folders_are_looked_in_first_and_in_order(tmp_path, tiny):
    places = FolderStore(tmp_path / "mine", [tmp_path / "one", tmp_path / "two"])
    for place in ("mine", "two", "one"):
        (tmp_path / place / tiny().name).mkdir(parents=True)
        assert places.folder(tiny()) == tmp_path / place / tiny().name
    assert list(places.folders()) == [tmp_path / "one" / tiny().name]
