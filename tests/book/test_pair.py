import json
from pathlib import Path
from shutil import copyfile

import jupytext
import nbformat
import pytest
from book_sample import CHAPTER, HEADER, ROOT

from grokbook.book.frame import framed
from grokbook.book.pair import main, paired, paired_text, relinked, stale


@pytest.fixture
def chapter(tmp_path) -> Path:
    path = tmp_path / "wave.md"
    path.write_text(CHAPTER)
    return path


def test_the_projects_notebooks_are_paired():
    assert list((ROOT / "notebooks").glob("*.md")), "no notebooks"
    assert not stale(ROOT / "notebooks"), "run: python -m grokbook.book.pair"


def test_a_pair_is_a_valid_notebook_with_the_same_cells_and_no_output(chapter):
    text = paired_text(chapter)
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert text == paired_text(chapter)
    assert notebook.metadata == {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    source = jupytext.read(chapter)
    assert [(c.cell_type, c.source) for c in notebook.cells] == [(c.cell_type, c.source) for c in framed(source.cells)]
    assert notebook.cells[2].metadata.tags == ["parameters"]
    assert all(not cell.outputs and cell.execution_count is None for cell in notebook.cells if "outputs" in cell)


def test_jupyterlab_opens_pair_and_source_each_as_it_is(tmp_path, monkeypatch):
    """Jupytext, which opens the sources there, would show a workshop's solutions in the pair if it knew of it."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    source, pair = (ROOT / "notebooks" / f"workshop_1_watch_it_grok.{suffix}" for suffix in ("md", "ipynb"))
    for file in (ROOT / "jupytext.toml", source, pair):
        copyfile(file, tmp_path / file.name)
    jupyter = jupytext.TextFileContentsManager(root_dir=str(tmp_path))
    opened = jupyter.get(source.name)
    jupyter.save(opened, source.name)
    assert (tmp_path / pair.name).read_text() == pair.read_text()
    shown = jupyter.get(pair.name)["content"].cells
    for cells, file in ((shown, pair), (jupytext.read(tmp_path / source.name).cells, source)):
        assert [cell.source for cell in cells] == [cell.source for cell in jupytext.read(file).cells]


def test_links_lead_to_the_pages_from_where_a_notebook_is(tmp_path):
    text = "See [it](../glossary.md#grok-step), [a chapter](labels.ipynb) and [a workshop](workshop_1_x.ipynb)."
    path = tmp_path / "linked.md"
    path.write_text(f"{HEADER}{text}\n\n```{{code-cell}} ipython3\n'[it](../glossary.md)'\n```\n")

    def said(notebook):
        return [cell.source for cell in notebook.cells if "glossary" in cell.source]

    here = text.replace("../glossary.md", "../book/glossary.md")
    assert said(nbformat.reads(paired_text(path), as_version=4)) == [here, "'[it](../glossary.md)'"]
    away = relinked(paired(path), pages="../site/{}.html", chapters="../site/notebooks/{}.html")
    there = text.replace("../glossary.md", "../site/glossary.html")
    assert said(away)[0] == there.replace("labels.ipynb", "../site/notebooks/labels.html")
    assert said(paired(path))[0] == text


def test_cell_ids_are_unique_and_survive_edits_elsewhere(tmp_path):
    cell = "```{code-cell} ipython3\nprint(1)\n```\n"
    path = tmp_path / "twice.md"
    path.write_text(f"{HEADER}{cell}\n{cell}")
    before = [c.id for c in nbformat.reads(paired_text(path), as_version=4).cells]
    assert len(set(before)) == 4
    path.write_text(f"{HEADER}A new first paragraph.\n\n{cell}\n{cell}")
    assert [c.id for c in nbformat.reads(paired_text(path), as_version=4).cells][1:] == before


def test_a_pair_written_back_to_its_source_stays_the_same(chapter):
    """As JupyterLab with jupytext does when the pair is saved there."""
    text = paired_text(chapter)
    jupytext.write(nbformat.reads(text, as_version=4), chapter)
    assert "google.colab" in chapter.read_text()
    again = nbformat.reads(paired_text(chapter), as_version=4)
    assert [c.source for c in again.cells] == [c.source for c in nbformat.reads(text, as_version=4).cells]


def test_only_pairs_that_differ_are_written(chapter, capsys, monkeypatch):
    pair = chapter.with_suffix(".ipynb")
    monkeypatch.chdir(chapter.parent)
    Path("notebooks").symlink_to(".")
    assert [path.name for path in stale(chapter.parent)] == [pair.name]
    main()
    assert capsys.readouterr().out == f"notebooks/{pair.name} written\n"
    assert not stale(chapter.parent)
    edited = json.loads(pair.read_text())
    edited["cells"][0]["source"] = "edited"
    pair.write_text(json.dumps(edited))
    main()
    assert pair.read_text() == paired_text(chapter)
    main()
    assert capsys.readouterr().out == f"notebooks/{pair.name} written\n"
