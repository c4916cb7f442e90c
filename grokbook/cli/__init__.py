"""The ``grokbook`` command: thin commands over the library.

The library's slow parts are imported by the commands that need them, once their arguments have been checked.
"""

from __future__ import annotations

import typer

from grokbook.cli import claims, notebooks, predict, runs, sweep, train
from grokbook.cli.common import Commands
from grokbook.training import stopping

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Train transformers on modular polynomials, and read what they have learned.",
)
app.command(context_settings={"ignore_unknown_options": True})(train.train)  # "-a+b" is an operation
app.command(context_settings={"ignore_unknown_options": True})(predict.predict)
app.command()(sweep.sweep)
app.command()(claims.claims)
app.add_typer(runs.app, name="runs")
app.command(context_settings={"ignore_unknown_options": True})(notebooks.notebook)  # every -p is among the words
app.command()(notebooks.book)


def main() -> None:
    """Run the command line; the entry point of the ``grokbook`` script."""
    stopping.as_interrupts()
    app()
