"""``python -m grokbook.cli`` is the ``grokbook`` command."""

from grokbook.cli import main

main()
