from pathlib import Path

import pytest
from book_sample import small_notebook

import grokbook
from grokbook import RunStore
from grokbook.book.staleness import PACKAGE, cache_key


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.delenv("GROKBOOK_STORE", raising=False)
    small_notebook(tmp_path / "notebooks", "print(p)", name="one.md")
    for name, text in {
        "library/a.py": "x = 1",
        "constraints.txt": "torch==2.13.0",
        "runs/abc/provenance.json": "{}",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def key(root: Path) -> str:
    store = RunStore(root / ".grokbook/runs", [root / "runs"])
    return cache_key(root / "notebooks" / "one.md", root, library=root / "library", store=store)


@pytest.mark.parametrize(
    "name",
    [
        "notebooks/one.md",
        "library/a.py",
        "library/sub/new.py",
        "library/sub/__init__.pyi",
        "library/declared.toml",
        "constraints.txt",
        "runs/abc/provenance.json",
        "runs/d/provenance.json",
        ".grokbook/runs/e/provenance.json",
        "runs/table.parquet",
    ],
)
def test_the_key_follows_everything_a_notebook_depends_on(repository, name):
    before = key(repository)
    assert key(repository) == before
    path = repository / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("# something else")
    assert key(repository) != before


def test_the_key_follows_names(repository):
    before = key(repository)
    (repository / "library" / "a.py").rename(repository / "library" / "b.py")
    assert key(repository) != before


def test_the_key_looks_at_the_store_that_notebooks_use(repository, monkeypatch):
    monkeypatch.setenv("GROKBOOK_STORE", str(repository / "elsewhere"))
    before = cache_key(repository / "notebooks" / "one.md", repository)
    (repository / "elsewhere" / "run").mkdir(parents=True)
    assert cache_key(repository / "notebooks" / "one.md", repository) != before


def test_the_key_ignores_what_has_no_influence(repository):
    before = key(repository)
    (repository / "library" / "style.css").write_text("a {}")
    (repository / "README.md").write_text("hello")
    assert key(repository) == before


def test_the_default_library_is_this_package():
    assert Path(grokbook.__file__).parent == PACKAGE
