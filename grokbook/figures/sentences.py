"""Sentences of a notebook: text that a cell has put together, and what machine executed it."""

from __future__ import annotations

from IPython.display import Markdown, display

from grokbook.runs.provenance import here, sentence


def markdown(text: str) -> Markdown:
    """Text that a cell has put together, shown as Markdown."""
    return Markdown(text)


def note() -> None:
    """Say what this notebook ran on: a line for readers, and the same as the output's metadata for programs."""
    facts = here()
    display({"text/plain": sentence(facts)}, metadata={"grokbook": facts}, raw=True)
