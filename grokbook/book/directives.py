"""What pages of the book may ask for beside notebooks' outputs: the explorer, the opening figure, verdicts.

They are written::

    ```{explorer}
    ```                   every published run, to be looked at by layer and step (see ``explorer``)
    ```{opening} a+b
    ```                   accuracy and spectrum of a published run under one slider
    {verdict}`C1`         what became of a claim
    {verdicts}`count`     how many claims have which verdict

All of it is computed from the published runs while the page is read; nothing is trained.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

from grokbook import figures, paper, runs
from grokbook.book import explorer, plotly_mime, side_files
from grokbook.paper import claims
from grokbook.runs import store as folders
from grokbook.training.ensure import RunStore


def setup(app: Sphinx) -> None:
    """Make directives and roles known."""
    app.add_directive("explorer", Explorer)
    app.add_directive("opening", Opening)
    app.add_role("verdict", Verdict())
    app.add_role("verdicts", Verdicts())


def published() -> RunStore:
    """The published runs alone: the book is not to show what else a reader has trained."""
    found = folders.default_folders()
    return RunStore(found.published[0] if found.published else found.path, stored_only=True)


class Explorer(SphinxDirective):
    """The explorer, and a table of all runs in it with links to their numbers."""

    def run(self) -> list[nodes.Node]:
        stored = [runs.read(folder) for folder in published().folders()]
        for run in stored:
            key = explorer.key_of(run)
            self._keep(f"run-{key}.js", explorer.spectra_script(run))
            self._keep(f"spectra-{key}.csv", explorer.spectra_csv(run))
            if len(run.spectra.logits):
                self._keep(f"maps-{key}.js", explorer.maps_script(run))
        index = explorer.index(stored)
        script = explorer.script("runs", index)
        self._keep("runs.js", script)
        address = f"runs.js?{hashlib.sha256(script.encode()).hexdigest()[:10]}"  # a browser may keep an older list
        root = "../" * self.env.docname.count("/")
        return [nodes.raw("", explorer_place(index, address, root), format="html")]

    def _keep(self, name: str, text: str) -> None:
        side_files.write(self.env.doctreedir, side_files.EXPLORER, name, text)


class Opening(SphinxDirective):
    """The figure of the landing page, of one published run from scratch on the operation that is named."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        figure = figures.opening(published().get(paper.single(self.arguments[0])))
        return [plotly_mime.place(self.env, json.loads(figure.to_json()))]


@cache
def _judged() -> dict[str, claims.Judgement]:
    return {judgement.claim.name: judgement for judgement in claims.judge(published())}


class Verdict(SphinxRole):
    """``{verdict}`C1```: "C1 reproduced"."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        names = [claim.name for claim in claims.CLAIMS]
        if self.text not in names:
            text = f"no claim {self.text!r}: they are {', '.join(names)}"
            problem = self.inliner.reporter.error(text, line=self.lineno)
            return [self.inliner.problematic(self.rawtext, self.rawtext, problem)], [problem]
        verdict = _judged()[self.text].verdict.value
        return [nodes.inline("", f"{self.text} {verdict}", classes=["gb-verdict", verdict.replace(" ", "-")])], []


class Verdicts(SphinxRole):
    """``{verdicts}`count```: "8 reproduced, 5 partly, 9 not yet run"."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        return [nodes.Text(claims.counted(_judged().values()))], []


def explorer_place(index: Sequence[dict[str, Any]], script: str, root: str) -> str:
    """The place of the explorer in a page, for runs as :func:`grokbook.book.explorer.index` lists them.

    Scripts build the controls, from the list at the address given: without them, the table is what there is.
    """
    place = {"index": index, "script": script, "folder": f"{root}_static/{side_files.EXPLORER}"}
    return plotly_mime.TEMPLATES.render("explorer.html", place)
