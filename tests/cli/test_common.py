"""What a terminal is shown: data is no markup and steers nothing, and a reader that has left is not told so."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest
from commands import grokbook
from hypothesis import given
from hypothesis import strategies as st

from grokbook.cli.common import printable
from grokbook.runs.run import write

STEERING = "\x1b]0;title\x07 \x1b[2J[red]x[/red] \r\u202e\x9b1m"
"""Sequences that would name a window, clear a screen, colour or overwrite a line, or turn its direction."""


@given(st.text())
def test_what_is_printed_has_no_control_characters(text):
    assert all(each.isprintable() or each == "\n" for each in printable(text))
    if text.isprintable():
        assert printable(text) == text


@pytest.mark.parametrize("command", ["list", "show", "verify"])
def test_neither_folder_nor_provenance_steers_the_terminal(mine, tiny_run, command):
    run = replace(tiny_run, provenance={**tiny_run.provenance, "device": STEERING})
    for name in (run.config.name, f"odd-{STEERING.replace('/', '')}"):
        (mine.path / name).mkdir(parents=True)
        write(run, mine.path / name)
    result = grokbook("runs", command, *([run.config.hash] if command == "show" else []))
    assert not set(result.stdout + result.stderr) & set("\x1b\x07\r\u202e\x9b")
    said = result.stdout if command == "show" else result.stderr
    assert "[red]x[" in said
    assert "\\x1b[2J" in said


def test_labels_are_no_markup(mine, tiny_run):
    config = replace(tiny_run.config, frozen=("W_E",))
    mine.put(replace(tiny_run, config=config))
    for command in (("runs", "list"), ("runs", "show", config.hash)):
        assert "[frozen random embedding]" in " ".join(grokbook(*command).stdout.split())


@pytest.mark.skipif(os.name != "posix", reason="pipes end otherwise elsewhere")
def test_a_reader_that_has_left_is_no_error():
    code = "from grokbook.cli import main; import sys; sys.argv = ['grokbook', 'runs', 'list', '--json']; main()"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
