"""CONTRIBUTING.md names nothing that is not there."""

import re
from pkgutil import resolve_name

import pytest
from checkout import ROOT

import grokbook

TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf8")
CODE = re.findall(r"`([^`\n]+)`", TEXT)
CONSOLE = re.findall(r"^\$ (.*?)(?: +#.*)?$", TEXT, re.MULTILINE)
WORDS = sorted({word for text in [*CODE, *CONSOLE] for word in re.findall(r"[\w./*-]+", text)})
PATHS = [word for word in WORDS if re.search(r"\w/|\.(py|pyi|md|toml|yml|txt)$", word) and "NAME" not in word]
NAMES = [word for word in WORDS if re.fullmatch(r"(gb|grokbook)(\.\w+)+", word)]


@pytest.mark.parametrize("path", PATHS)
def test_every_path_exists(path: str) -> None:
    inside = [ROOT / path, *(ROOT / "grokbook").glob(f"*/{path}"), *ROOT.glob(path)]
    assert path.startswith(".venv/") or any(found.exists() for found in inside)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_there(name: str) -> None:
    assert resolve_name(re.sub(r"^gb\.", "grokbook.", name)) is not None


def test_the_text_is_read_as_it_is_meant() -> None:
    assert {"grokbook/fourier/measures.py", "CHANGELOG.md", "tests/figures/"} <= {*PATHS}
    assert {"gb.Operation.from_table", "grokbook.cli.common.short_errors"} <= {*NAMES}


def test_the_rooms_stand_in_their_order() -> None:
    order = re.search(r"data < .*", str(grokbook.__doc__))
    assert order
    assert re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE) == order[0].split(" < ")


def test_every_target_of_make_exists() -> None:
    targets = {target for text in [*CODE, *CONSOLE] for target in re.findall(r"^make (\w+)$", text)}
    makefile = (ROOT / "Makefile").read_text("utf8")
    assert targets
    assert targets <= set(re.findall(r"^(\w+):", makefile, re.MULTILINE))


def test_there_are_ten_changes_and_a_test_for_each() -> None:
    changes = re.split(r"^\*\*… ", TEXT.partition("## To add …")[2].partition("\n## ")[0], flags=re.MULTILINE)[1:]
    assert len(changes) == 10
    for change in changes:
        assert "Test: `tests/" in change
