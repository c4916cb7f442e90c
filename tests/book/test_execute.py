import json
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
from book_sample import HEADER

from grokbook import RunStore
from grokbook.book import execute
from grokbook.book.execute import (
    NotebookError,
    ParameterError,
    cache_key,
    check_parameters,
    execute_all,
    execute_notebook,
    notebook_parameters,
    read_notebook,
)
from grokbook.runs import provenance

PARAMETERS = """```{code-cell} ipython3
:tags: [parameters]

p: int = 59  # the modulus
fraction: float = 0.3
operations: list[str] = ["a+b", "a*b # not a comment"]
device = "cpu"
limit: int | None = None
verbose = False
store = None
anything = p + 1
```
"""


def notebook(folder: Path, *cells: str, name: str = "chapter.md") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    code = "\n".join(f"```{{code-cell}} ipython3\n{cell}\n```\n" for cell in cells)
    path.write_text(f"{HEADER}# A chapter\n\n{PARAMETERS}\n{code}")
    return path


def printed(path: Path) -> str:
    cells = nbformat.read(path, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    return "".join(output.text for output in outputs if output.output_type == "stream")


def test_parameters_are_read_with_their_types(tmp_path):
    found = notebook_parameters(read_notebook(notebook(tmp_path)))
    assert {name: parameter.types for name, parameter in found.items()} == {
        "p": ("int",),
        "fraction": ("float",),
        "operations": ("list",),
        "device": ("str",),
        "limit": ("int", "None"),
        "verbose": ("bool",),
        "store": (),
        "anything": (),
    }
    assert found["operations"].default == "['a+b', 'a*b # not a comment']"


@pytest.mark.parametrize(
    "good",
    [
        {"p": 97},
        {"fraction": 1},
        {"operations": ("a-b",)},
        {"limit": None},
        {"limit": 5},
        {"store": "x"},
        {"anything": []},
    ],
)
def test_fitting_values_are_accepted(tmp_path, good):
    check_parameters(read_notebook(notebook(tmp_path)), good, "chapter")


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"fracton": 0.5}, "chapter has no parameter 'fracton'; did you mean fraction or operations?"),
        ({"zzz": 1}, "it has p, fraction, operations, device"),
        ({"p": "97"}, "p takes int, not str"),
        ({"p": 97.0}, "p takes int, not float"),
        ({"p": True}, "p takes int, not bool"),
        ({"verbose": 1}, "verbose takes bool, not int"),
        ({"limit": 0.5}, "limit takes int or None, not float"),
        ({"operations": "a+b"}, "operations takes list, not str"),
    ],
)
def test_wrong_parameters_are_refused_before_any_work(tmp_path, monkeypatch, bad, message):
    monkeypatch.setattr(papermill, "execute_notebook", lambda *a, **k: pytest.fail("work was done"))
    with pytest.raises(ParameterError) as error:
        execute_notebook(notebook(tmp_path), tmp_path / "out.ipynb", bad)
    assert message in str(error.value)


def test_every_wrong_parameter_is_named(tmp_path):
    with pytest.raises(ParameterError, match=r"(?s)'seed'.*'fractions'"):
        check_parameters(read_notebook(notebook(tmp_path)), {"seed": 1, "fractions": 2}, "chapter")


def test_a_notebook_without_a_parameters_cell_takes_none():
    with pytest.raises(ParameterError, match="it has none"):
        check_parameters(nbformat.v4.new_notebook(), {"p": 3}, "bare")


def test_execution_records_parameters_and_runs_this_interpreter(tmp_path):
    code = "import os, sys; print(sys.executable, p, fraction, os.getcwd(), os.environ['EXTRA'])"
    source = notebook(tmp_path / "in", code)
    output = execute_notebook(
        source, tmp_path / "new" / "out.ipynb", {"p": 31}, metadata={"cache_key": "k"}, env={"EXTRA": "yes"}
    )
    assert printed(output).split() == [sys.executable, "31", "0.3", str(tmp_path / "in"), "yes"]
    metadata = nbformat.read(output, as_version=4).metadata
    assert metadata.papermill.parameters == {"p": 31}
    assert {name: metadata.grokbook[name] for name in ("source", "cache_key")} == {
        "source": "chapter.md",
        "cache_key": "k",
    }
    assert str(tmp_path) not in json.dumps(metadata)
    assert [path.name for path in output.parent.iterdir()] == ["out.ipynb"]


def test_figures_are_stored_as_json_alone(tmp_path):
    source = notebook(tmp_path, "import plotly.graph_objects as go\ngo.Figure(go.Scatter(y=[1, 2]))")
    cells = nbformat.read(execute_notebook(source, tmp_path / "out.ipynb", note=False), as_version=4).cells
    bundles = [set(output.data) for cell in cells for output in cell.get("outputs", ())]
    assert bundles == [{"application/vnd.plotly.v1+json"}]


def test_an_executed_notebook_says_what_it_ran_on(tmp_path):
    output = execute_notebook(notebook(tmp_path, "print(p)"), tmp_path / "out.ipynb", {"p": 31})
    executed = nbformat.read(output, as_version=4)
    kept, now = executed.metadata.grokbook.provenance, provenance.here()
    assert {**kept, "date": None} == {**now, "date": None}
    assert executed.metadata.papermill.duration > 0
    (shown,) = executed.cells[-1].outputs
    said = shown.data["text/plain"]
    assert f"with grokbook {now['grokbook']} (commit {now['commit']})" in said
    assert f"torch {now['torch']} on {now['device']}, {now['cores']} cores" in said
    assert {**shown.metadata.grokbook, "date": None} == {**now, "date": None}
    silent = execute_notebook(notebook(tmp_path, "print(p)"), tmp_path / "out.ipynb", note=False)
    assert printed(silent) == "59\n"
    assert nbformat.read(silent, as_version=4).metadata.grokbook.provenance.torch == now["torch"]


def test_an_ipynb_can_be_executed_too(tmp_path):
    source = tmp_path / "plain.ipynb"
    nbformat.write(read_notebook(notebook(tmp_path, "print(p)")), source)
    assert printed(execute_notebook(source, tmp_path / "out.ipynb")) == "59\n"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = 1\nraise KeyError('gone')", r"^chapter\.md: KeyError: 'gone' \(cell 3, `x = 1`\)$"),
        ("import os; os._exit(3)", r"^chapter\.md: Kernel died"),
    ],
)
def test_a_failure_names_the_cell_and_leaves_the_output_alone(tmp_path, code, message):
    output = tmp_path / "out" / "chapter.ipynb"
    with pytest.raises(NotebookError, match=message):
        execute_notebook(notebook(tmp_path, code), output)
    assert not output.parent.exists()
    output.parent.mkdir()
    output.write_text("the last good one")
    with pytest.raises(NotebookError):
        execute_notebook(notebook(tmp_path, code), output)
    assert [path.read_text() for path in output.parent.iterdir()] == ["the last good one"]


def test_a_missing_notebook_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.md"):
        execute_notebook(tmp_path / "nowhere.md", tmp_path / "out.ipynb")


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.delenv("GROKBOOK_STORE", raising=False)
    notebook(tmp_path / "notebooks", "print(p)", name="one.md")
    for name, text in {
        "library/a.py": "x = 1",
        "constraints.txt": "torch==2.13.0",
        "runs/abc/provenance.json": "{}",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def key(root: Path, **parameters: object) -> str:
    store = RunStore(root / ".grokbook/runs", [root / "runs"])
    return cache_key(root / "notebooks" / "one.md", parameters, root, library=root / "library", store=store)


@pytest.mark.parametrize(
    "name",
    [
        "notebooks/one.md",
        "library/a.py",
        "library/sub/new.py",
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


def test_the_key_follows_parameters_and_names(repository):
    keys = {key(repository), key(repository, p=3), key(repository, p=5)}
    (repository / "library" / "a.py").rename(repository / "library" / "b.py")
    keys.add(key(repository))
    assert len(keys) == 4


def test_the_key_looks_at_the_store_that_notebooks_use(repository, monkeypatch):
    monkeypatch.setenv("GROKBOOK_STORE", str(repository / "elsewhere"))
    before = cache_key(repository / "notebooks" / "one.md", {}, repository)
    (repository / "elsewhere" / "run").mkdir(parents=True)
    assert cache_key(repository / "notebooks" / "one.md", {}, repository) != before


def test_the_key_ignores_what_has_no_influence(repository):
    before = key(repository)
    (repository / "library" / "style.css").write_text("a {}")
    (repository / "README.md").write_text("hello")
    assert key(repository) == before


def test_the_default_library_is_this_package():
    assert Path(execute.__file__).resolve() == (execute.PACKAGE / "book" / "execute.py")


def test_only_stale_notebooks_are_executed(repository, capsys):
    notebooks, out = repository / "notebooks", repository / "out"
    notebook(notebooks, "print(p * 2)", name="two.md")
    out.mkdir()
    (out / "stray.ipynb").write_text("{}")
    outputs = execute_all(notebooks, out, parameters={"two": {"p": 5}})
    assert [path.name for path in outputs] == ["one.ipynb", "two.ipynb"]
    assert sorted(out.iterdir()) == outputs
    assert [printed(path) for path in outputs] == ["59\n", "10\n"]
    lines = capsys.readouterr().out.splitlines()
    assert sorted(line.split()[:2] for line in lines) == [["one", "executed"], ["two", "executed"]]

    notebook(notebooks, "print(p * 3)", name="two.md")
    execute_all(notebooks, out, parameters={"two": {"p": 5}})
    assert [printed(path) for path in outputs] == ["59\n", "15\n"]
    assert "one                  up to date" in capsys.readouterr().out


def test_one_failure_does_not_stop_the_others(repository, capsys):
    notebooks, out = repository / "notebooks", repository / "out"
    notebook(notebooks, "1 / 0", name="bad.md")
    with pytest.raises(NotebookError, match=r"bad\.md: ZeroDivisionError: .*cell 3"):
        execute_all(notebooks, out, jobs=1)
    assert [path.name for path in out.iterdir()] == ["one.ipynb"]
    assert "bad                  failed" in capsys.readouterr().out
