import json
import sys
from pathlib import Path

import nbformat
import pytest
from book_sample import small_notebook

from grokbook import RunStore
from grokbook.book.execute import NotebookError, execute_all, execute_notebook
from grokbook.book.parameters import ParameterError, read_notebook
from grokbook.runs import provenance


def printed(path: Path) -> str:
    cells = nbformat.read(path, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    return "".join(output.text for output in outputs if output.output_type == "stream")


def test_wrong_parameters_are_refused_before_any_work(tmp_path):
    source = small_notebook(tmp_path, "open('worked', 'w')")
    with pytest.raises(ParameterError, match="p takes int, not str"):
        execute_notebook(source, tmp_path / "out" / "chapter.ipynb", {"p": "97"})
    assert list(tmp_path.iterdir()) == [source]


def test_execution_records_parameters_and_runs_this_interpreter(tmp_path):
    code = "import os, sys; print(sys.executable, p, fraction, os.getcwd(), os.environ['EXTRA'])"
    source = small_notebook(tmp_path / "in", code)
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
    source = small_notebook(tmp_path, "import plotly.graph_objects as go\ngo.Figure(go.Scatter(y=[1, 2]))")
    cells = nbformat.read(execute_notebook(source, tmp_path / "out.ipynb", note=False), as_version=4).cells
    bundles = [set(output.data) for cell in cells for output in cell.get("outputs", ())]
    assert bundles == [{"application/vnd.plotly.v1+json"}]


def test_an_executed_notebook_says_what_it_ran_on(tmp_path):
    output = execute_notebook(small_notebook(tmp_path, "print(p)"), tmp_path / "out.ipynb", {"p": 31})
    executed = nbformat.read(output, as_version=4)
    kept, now = executed.metadata.grokbook.provenance, provenance.here()
    assert {**kept, "date": None} == {**now, "date": None}
    assert executed.metadata.papermill.duration > 0
    (shown,) = executed.cells[-1].outputs
    said = shown.data["text/plain"]
    assert f"with grokbook {now['grokbook']} (commit {now['commit']})" in said
    assert f"torch {now['torch']} on {now['device']}, {now['cores']} cores" in said
    assert {**shown.metadata.grokbook, "date": None} == {**now, "date": None}
    silent = execute_notebook(small_notebook(tmp_path, "print(p)"), tmp_path / "out.ipynb", note=False)
    assert printed(silent) == "59\n"
    assert nbformat.read(silent, as_version=4).metadata.grokbook.provenance.torch == now["torch"]


def test_an_ipynb_can_be_executed_too(tmp_path):
    source = tmp_path / "plain.ipynb"
    nbformat.write(read_notebook(small_notebook(tmp_path, "print(p)")), source)
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
        execute_notebook(small_notebook(tmp_path, code), output)
    assert not output.parent.exists()
    output.parent.mkdir()
    output.write_text("the last good one")
    with pytest.raises(NotebookError):
        execute_notebook(small_notebook(tmp_path, code), output)
    assert [path.read_text() for path in output.parent.iterdir()] == ["the last good one"]


def test_a_missing_notebook_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.md"):
        execute_notebook(tmp_path / "nowhere.md", tmp_path / "out.ipynb")


@pytest.fixture
def notebooks(tmp_path):
    return small_notebook(tmp_path / "notebooks", "print(p)", name="one.md").parent


def test_only_stale_notebooks_are_executed(notebooks, capsys):
    out, store = notebooks.parent / "out", RunStore(notebooks.parent / "runs")
    small_notebook(notebooks, "print(p * 2)", name="two.md")
    out.mkdir()
    (out / "stray.ipynb").write_text("{}")
    outputs = execute_all(notebooks, out, store=store)
    assert [path.name for path in outputs] == ["one.ipynb", "two.ipynb"]
    assert sorted(out.iterdir()) == outputs
    assert [printed(path) for path in outputs] == ["59\n", "118\n"]
    lines = capsys.readouterr().out.splitlines()
    assert sorted(line.split()[:2] for line in lines) == [["one", "executed"], ["two", "executed"]]

    small_notebook(notebooks, "print(p * 3)", name="two.md")
    execute_all(notebooks, out, store=store)
    assert [printed(path) for path in outputs] == ["59\n", "177\n"]
    assert "one                  up to date" in capsys.readouterr().out


def test_one_failure_does_not_stop_the_others(notebooks, capsys):
    out = notebooks.parent / "out"
    small_notebook(notebooks, "1 / 0", name="bad.md")
    with pytest.raises(NotebookError, match=r"bad\.md: ZeroDivisionError: .*cell 3"):
        execute_all(notebooks, out, jobs=1, store=RunStore(notebooks.parent / "runs"))
    assert [path.name for path in out.iterdir()] == ["one.ipynb"]
    assert "bad                  failed" in capsys.readouterr().out
