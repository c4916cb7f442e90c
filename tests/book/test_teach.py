"""The page for instructors: its plans add up, and fit the exercises that they name."""

import re

import pytest
from checkout import ROOT

from grokbook.book.archive import START
from grokbook.book.exercises import Exercise, exercises
from grokbook.book.parameters import read_notebook

PAGE = (ROOT / "book" / "teach.md").read_text("utf8")
WORKSHOPS = sorted((ROOT / "notebooks").glob("workshop_*.md"))
ROW = re.compile(r"^\| (\d):(\d\d) \| ?(\d*) \| (.+?) \| ([\d., ]*)\|$", re.MULTILINE)


@pytest.fixture(scope="module")
def known() -> dict[str, Exercise]:
    return {one.number: one for path in WORKSHOPS for one in exercises(read_notebook(path), path.name)}


@pytest.mark.parametrize(("plan", "length"), [("Ninety minutes", 90), ("Half a day", 240)])
def test_the_clock_of_a_plan_follows_from_its_minutes_and_leaves_time_for_its_exercises(plan, length, known):
    rows = ROW.findall(PAGE.partition(f"\n## {plan}\n")[2].partition("\n## ")[0])
    now, named = 0, []
    for hours, minutes, length_of_row, what, numbers in rows:
        assert 60 * int(hours) + int(minutes) == now, what
        asked = numbers.replace(",", " ").split()
        assert sum(known[number].minutes for number in asked) <= int(length_of_row or 0), what
        named += asked
        now += int(length_of_row or 0)
    assert now == length
    assert rows[-1][3].startswith("End")
    assert named == sorted(named)
    assert {number[0] for number in named} == ({"1"} if length == 90 else {"1", "2", "3"})


def test_exercises_and_minutes_in_the_overview_are_those_of_the_workshops():
    listed = re.findall(r"<notebooks/(workshop_\w+)>` \|.+?\| (\d+) \| (\d+) \|", PAGE)
    assert [name for name, *_ in listed] == [path.stem for path in WORKSHOPS]
    for path, (_, number, minutes) in zip(WORKSHOPS, listed, strict=True):
        each = exercises(read_notebook(path), path.name)
        assert (len(each), sum(one.minutes for one in each)) == (int(number), int(minutes)), path.stem


def test_what_the_text_calls_optional_is_in_no_plan():
    optional = re.findall(r"Who is quick does ([\d., or]+);", PAGE)
    assert optional
    for number in re.findall(r"\d\.\d", optional[0]):
        assert not re.search(
            rf"^\|.*\b{re.escape(number)}\b[^|]*\|$", PAGE.partition("\n## Half a day\n")[2], re.MULTILINE
        )


def test_commands_for_the_room_are_those_of_the_archive_s_first_text():
    commands = [line.strip() for line in START.splitlines() if line.startswith("    ")]
    assert commands
    assert [command for command in commands if command not in PAGE] == []
