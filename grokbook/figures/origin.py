"""What a notebook says of the machine that executed it."""

from __future__ import annotations

from grokbook.runs.provenance import here, sentence


def note() -> None:
    """Say what this notebook ran on: a line for readers, and the same as the output's metadata for programs."""
    from IPython.display import display  # where there is a notebook, there is IPython

    facts = here()
    display({"text/plain": sentence(facts)}, metadata={"grokbook": facts}, raw=True)
