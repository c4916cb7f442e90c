"""The table of executed notebooks: a directive that reads, at build time, what each of them says of its execution."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from grokbook.runs import provenance
from grokbook.training.progress import duration

GAP = "\N{NO-BREAK SPACE}"  # a number and its unit
HEAD = "| notebook | took | executed (UTC) |\n|---|---|---|"


class Execution(NamedTuple):
    """What an executed notebook says of its execution: its facts are those of :func:`grokbook.runs.provenance.here`."""

    name: str
    seconds: float
    facts: dict[str, Any]

    @property
    def setting(self) -> str:
        """With what it was executed, and on what."""
        facts = self.facts
        commit = f"commit {facts['commit']}" if facts["commit"] else "commit not known"
        versions = f"Python {facts['python']}, torch {facts['torch']}, numpy {facts['numpy']}"
        return f"grokbook {facts['grokbook']} ({commit}) with {versions} on {provenance.hardware(facts)}"


def executions(folder: Path) -> list[Execution]:
    """The executed notebooks of a folder, by name."""
    found = {path.stem: json.loads(path.read_text("utf8"))["metadata"] for path in sorted(folder.glob("*.ipynb"))}
    return [
        Execution(name, each["papermill"]["duration"], each["grokbook"]["provenance"]) for name, each in found.items()
    ]


def tables(found: Iterable[Execution], folder: str) -> str:
    """Markdown: a table of notebooks for each setting in which some were executed."""
    groups = defaultdict[str, list[Execution]](list)
    for one in found:
        groups[one.setting].append(one)
    parts = []
    for setting, group in groups.items():
        rows = [
            f"| {{doc}}`/{folder}/{one.name}` | {one.seconds:.1f}{GAP}s | {one.facts['date'][:16].replace('T', ' ')} |"
            for one in group
        ]
        notebooks, took = f"{len(group)} notebook{'s' * (len(group) > 1)}", duration(sum(one.seconds for one in group))
        parts.append("\n".join([f"**{setting}**: {notebooks}, {took} in all.", "", HEAD, *rows]))
    return "\n\n".join(parts)


class ExecutionTable(SphinxDirective):
    """``{executions} notebooks``: tables of the executed notebooks in that folder of the book."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Write the tables as Markdown, so that links are those of any page."""
        folder = self.arguments[0]
        return self.parse_text_to_nodes(tables(executions(Path(self.env.srcdir) / folder), folder))
