"""The command line, called from within the process that tests."""

from typer.testing import CliRunner

from grokbook import cli


def grokbook(*arguments: str):
    return CliRunner().invoke(cli.app, arguments)


def assert_short_error(result, code: int, *parts: str):
    assert result.exit_code == code
    assert result.stdout == ""
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("grokbook: ")
    assert len(line) < 300
    assert all(part in line for part in parts), line
