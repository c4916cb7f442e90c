"""Each notebook runs from start to end, at a size that trains in seconds, into a store of its own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import pytest
from checkout import ROOT

from grokbook import RunStore
from grokbook.book.execute import execute_notebook
from grokbook.book.exercises import exercises
from grokbook.book.pair import stale
from grokbook.book.parameters import notebook_parameters, read_notebook

NOTEBOOKS = ROOT / "notebooks"
SOURCES = sorted(NOTEBOOKS.glob("*.md"))
PLOTLY = "application/vnd.plotly.v1+json"
TRAINING = {"p": 5, "fraction": 0.5, "max_steps": 60, "device": "cpu"}
"""Of every notebook that trains what is missing."""
PLURALS = {"p": "moduli", "fraction": "fractions"}
"""Parameters of a notebook that is about several."""


class Profile(NamedTuple):
    """A small size of a notebook."""

    changes: dict[str, Any]
    runs: int
    """How many runs are trained."""
    figures: int = 2
    """How many figures there are at least."""


TINY = {
    "claims": Profile({"seeds": [0]}, runs=0, figures=0),
    "deviations": Profile({"p": 5, "seeds": [0]}, runs=0, figures=0),
    "elementary": Profile(TRAINING | {"operations": ["a+b", "a*b"], "seeds": [0, 1]}, runs=4),
    "coordinates": Profile(
        TRAINING | {"operations": ["a+b", "a*b", "ab+a+b", "(a+b)^2", "a^2+ab+b^2"], "seeds": [0], "many_seeds": 0},
        runs=5,
        figures=4,
    ),
    "isomorphism": Profile({"p": 5, "seeds": [0]}, runs=0, figures=0),
    "labels": Profile({"p": 5, "fraction": 0.5, "max_steps": 60, "splits": 3}, runs=0),
    "mixtures": Profile(
        TRAINING
        | {"fractions": [0.5], "shown": 0.5, "operations": ["a+b", "a*b"], "polynomials": [["a+b", "ab+b"]]}
        | {"seeds": [0]},
        runs=5,
        figures=6,
    ),
    "modulus": Profile(
        {"moduli": [5, 7], "fractions": [0.5, 0.8], "max_steps": 60, "device": "cpu", "seeds": [0]}, runs=4, figures=3
    ),
    "polynomials": Profile(
        TRAINING
        | {"simple": ["a^2+b^2"], "powers": ["a^2+b^2"], "factorizable": ["(a+b)^2"]}
        | {"not_factorizable": [], "in_detail": ["a^2+b^2"], "seeds": [0]},
        runs=2,
    ),
    "pre_grokked": Profile(
        TRAINING
        | {"elementary": ["a+b"], "linear": ["PG-E a+b -> 2a+b"], "higher": ["a^2-b"]}
        | {"source_max_steps": 60, "seeds": [0]},
        runs=9,
    ),
    "prediction": Profile({"seeds": [0], "small": 7}, runs=0, figures=5),
    "random_embedding": Profile(TRAINING | {"operations": ["a+b"], "seeds": [0, 1]}, runs=4, figures=3),
    "restricted_loss": Profile(TRAINING | {"seeds": [0, 1]}, runs=4),
    "summary": Profile({"p": 59, "fractions": [0.3, 0.9], "seeds": [0]}, runs=0, figures=1),
    "workshop_1_watch_it_grok": Profile(TRAINING | {"seeds": [0]}, runs=2, figures=5),
    "workshop_2_read_the_circuit": Profile({"seeds": [0]}, runs=0, figures=4),
    "workshop_3_beyond_addition": Profile({"seeds": [0]}, runs=0, figures=5),
    "progress_measures": Profile(
        TRAINING
        | {"elementary": ["a+b"], "cross": ["ab+b"], "cross_fraction": 0.6, "powers": ["a^2+b^2"], "sums": []}
        | {"seeds": [0]},
        runs=3,
        figures=5,
    ),
}


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    return {"GROKBOOK_STORE": str(tmp_path / "runs"), "OMP_NUM_THREADS": "1"}


def outputs(path: Path) -> list[nbformat.NotebookNode]:
    cells = nbformat.read(path, as_version=4).cells
    return [output for cell in cells for output in cell.get("outputs", ())]


def test_there_is_a_profile_for_every_notebook():
    assert {source.stem for source in SOURCES} == set(TINY), "enter one in TINY that trains for seconds"


def test_pairs_agree_with_their_sources():
    assert not stale(NOTEBOOKS), "run: python -m grokbook.book.pair"
    assert {pair.stem for pair in NOTEBOOKS.glob("*.ipynb")} == {source.stem for source in SOURCES}


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_a_notebook_has_one_parameters_cell_with_the_common_parameters(source):
    notebook = read_notebook(source)
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
    assert len(tagged) == 1
    assert tagged[0] is next(cell for cell in notebook.cells if cell.cell_type == "code")
    named = set(notebook_parameters(notebook))
    trains = TRAINING if "device" in TINY[source.stem].changes else ()
    assert "seeds" in named
    assert all(name in named or PLURALS.get(name) in named for name in trains)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_a_notebook_runs_with_parameters_of_one_s_own(source, tmp_path, environment):
    profile = TINY[source.stem]
    out = execute_notebook(source, tmp_path / "out.ipynb", profile.changes, env=environment)
    shown = outputs(out)
    assert shown
    assert not [output for output in shown if output.output_type == "error"]
    drawn = [output.data[PLOTLY] for output in shown if PLOTLY in output.get("data", {})]
    assert len(drawn) >= profile.figures
    assert all(figure["layout"]["meta"]["caption"] for figure in drawn)
    assert len(list(RunStore(environment["GROKBOOK_STORE"]).folders())) == profile.runs
    verdicts = [output.data.get("text/markdown", "") for output in shown if "data" in output]
    passed = [verdict for verdict in verdicts if verdict.startswith("**✓ Right.**")]
    assert not [verdict for verdict in verdicts if verdict.startswith("**✗")]
    assert len(passed) == len(exercises(read_notebook(source), source.name))


def test_the_readme_s_example_passes_over_maps_that_were_not_published(tmp_path, environment):
    """At this size some runs are published, without maps of their logits."""
    command = "notebook elementary -p p 31 -p fraction 0.8 -p max_steps 4000"
    assert command in (NOTEBOOKS.parent / "README.md").read_text("utf8")
    changes = {"p": 31, "fraction": 0.8, "max_steps": 4000, "operations": ["a*b"], "seeds": [0]}
    shown = outputs(execute_notebook(NOTEBOOKS / "elementary.md", tmp_path / "out.ipynb", changes, env=environment))
    assert not [output for output in shown if output.output_type == "error"]
    assert not list(RunStore(environment["GROKBOOK_STORE"]).folders()), "it is published"


LEAVING = [source for source in SOURCES if "train" in notebook_parameters(read_notebook(source))]


def test_chapters_about_many_runs_may_leave_what_is_not_stored():
    """With their own parameters they train nothing: the book is built where training is an error."""
    assert {source.stem for source in LEAVING} == {
        *("coordinates", "mixtures", "modulus", "random_embedding", "polynomials", "pre_grokked", "progress_measures")
    }
    for source in LEAVING:
        assert notebook_parameters(read_notebook(source))["train"].default == "None"


@pytest.mark.parametrize("source", LEAVING, ids=lambda source: source.stem)
def test_a_chapter_without_any_run_says_what_trains_them(source, tmp_path, environment):
    changes = TINY[source.stem].changes | {"train": False}
    out = execute_notebook(source, tmp_path / "out.ipynb", changes, env=environment)
    shown = outputs(out)
    assert not [output for output in shown if output.output_type == "error" or PLOTLY in output.get("data", {})]
    printed = "".join(output.text for output in shown if output.output_type == "stream")
    assert "Not yet run; trained by:\ngrokbook sweep " in printed
    assert "--max-steps 60" in printed
    assert not list(RunStore(environment["GROKBOOK_STORE"]).folders())


def test_plain_papermill_runs_the_pair(tmp_path, environment):
    """As the README says: no helper of this project, `-p` for each parameter."""
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", str(NOTEBOOKS / "elementary.ipynb"), "out.ipynb"]
    parameters = {"p": "7", "fraction": "0.5", "max_steps": "20", "device": "cpu"}
    options = [part for name, value in parameters.items() for part in ("-p", name, value)]
    done = subprocess.run(
        [*command, *options, "-y", "operations: [a+b]"],
        cwd=tmp_path,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert [folder.name[:10] for folder in RunStore(environment["GROKBOOK_STORE"]).folders()] == ["a+b-p7-r0."]
    executed = outputs(tmp_path / "out.ipynb")
    assert len(executed) >= 4
    assert executed[-1].data["text/plain"].startswith("Executed 2")
    assert executed[-1].metadata.grokbook.commit
    metadata = nbformat.read(tmp_path / "out.ipynb", as_version=4).metadata.papermill
    assert (metadata.parameters.p, metadata.parameters.operations) == (7, ["a+b"])
    assert metadata.duration > 0
