import json
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch

from grokbook.runs import provenance

CPU = torch.device("cpu")


def test_versions_device_and_machine_are_described():
    facts = provenance.describe(CPU)
    assert facts["torch"] == torch.__version__
    assert facts["numpy"] == np.__version__
    assert facts["python"] == platform.python_version()
    assert facts["grokbook"] == metadata.version("grokbook")
    assert facts["threads"] == torch.get_num_threads()
    assert facts["device"]
    assert json.loads(json.dumps(facts)) == facts


def test_a_library_that_is_not_installed_still_says_where_a_run_comes_from(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(provenance.metadata, "version", missing)
    assert provenance.describe(torch.device("cpu"))["grokbook"] == "not installed"


def test_what_a_notebook_ran_on_is_said_in_a_line(monkeypatch):
    facts = provenance.here()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["cores"] == os.cpu_count()
    assert "threads" not in facts
    facts |= {"date": "2026-11-23T10:50:59+00:00", "commit": None, "device": "Zuse Z3", "cores": 2, "torch": "2.13.0"}
    facts |= {"python": "3.11.7", "grokbook": "0.1.0"}
    end = "Python 3.11.7 and torch 2.13.0 on Zuse Z3, 2 cores"
    assert provenance.sentence(facts) == f"Executed 2026-11-23 10:50 UTC with grokbook 0.1.0, {end}."
    facts |= {"commit": "abc", "gpus": ["GPU 0", "GPU 1"]}
    assert "grokbook 0.1.0 (commit abc), " in provenance.sentence(facts)
    assert provenance.sentence(facts).endswith(f"{end}, GPU 0, GPU 1.")


def test_gpus_are_named_where_there_are_any(monkeypatch):
    assert ("gpus" in provenance.here()) == bool(torch.cuda.device_count())
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU {device}")
    assert provenance.here()["gpus"] == ["GPU 0", "GPU 1"]


def test_nothing_tells_whose_machine_it_was():
    text = json.dumps(provenance.describe(CPU))
    assert platform.node() not in text or platform.node() in platform.machine()
    assert str(Path.home()) + os.sep not in text


def test_the_processor_is_named(monkeypatch):
    monkeypatch.setattr(Path, "read_text", lambda _: "processor\t: 0\nmodel name\t: Zuse Z3\nmodel name\t: Zuse Z4\n")
    assert provenance.device_name(CPU) == "Zuse Z3"
    monkeypatch.setattr(Path, "read_text", lambda _: "Hardware\t: something else\n")
    assert provenance.device_name(CPU) == platform.machine()


def test_a_machine_without_proc_has_a_name_too(monkeypatch):
    def missing(_):
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    assert provenance.device_name(CPU) in (platform.processor(), platform.machine())


def test_a_gpu_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU {device.index}")
    assert provenance.device_name(torch.device("cuda:3")) == "GPU 3"


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A git repository with the module committed in it, whatever the user's git settings."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    package = tmp_path / "grokbook"
    (package / "runs").mkdir(parents=True)
    (package / "runs" / "provenance.py").write_text("x = 1\n")
    monkeypatch.setattr(provenance, "__file__", str(package / "runs" / "provenance.py"))
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    return subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def test_outside_a_checkout_there_is_no_commit(repository):
    assert provenance.commit() is None


def test_a_repository_that_does_not_hold_the_library_is_not_its_commit(repository):
    git(repository, "init", "-q")
    (repository / "other.txt").write_text("another project, with the library in its .venv")
    git(repository, "add", "other.txt")
    git(repository, "commit", "-qm", "other")
    assert provenance.commit() is None


def test_the_commit_is_named_and_changes_to_the_library_are_marked(repository):
    git(repository, "init", "-q")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "first")
    head = git(repository, "rev-parse", "HEAD").strip()[:12]
    assert provenance.commit() == head
    (repository / "README.md").write_text("a change elsewhere")
    assert provenance.commit() == head
    (repository / "grokbook" / "runs" / "provenance.py").write_text("x = 2\n")
    assert provenance.commit() == head + "+changes"


def test_without_git_there_is_no_commit(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert provenance.commit() is None
