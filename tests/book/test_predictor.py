"""The place of the field for predictions."""

import html
import json
import re
import shlex

from grokbook.analysis import prediction
from grokbook.book import predictor
from grokbook.book.sphinx_ext import STATIC
from grokbook.data.operations import Operation
from grokbook.figures.predictions import YOURS


def test_the_place_has_the_law_and_a_command_for_readers_without_scripts():
    place = predictor.place("prediction").data
    settings = json.loads(html.unescape(re.search(r'data-settings="([^"]*)"', place)[1]))
    assert settings["law"] == prediction.published_law()._asdict()
    assert (settings["budget"], settings["far"]) == (prediction.BUDGET, prediction.FAR)
    assert settings["figure"] == "prediction"
    assert all(Operation.parse(each) for each in settings["examples"])
    command = shlex.split(html.unescape(re.search(r"<code>(.*)</code>", place)[1]))
    assert command == ["grokbook", "predict", predictor.EXAMPLES[0], "--p", "97", "--fraction", "0.3"]


def test_the_script_knows_the_trace_that_it_marks():
    script = (STATIC / "grokbook-predict.js").read_text("utf8")
    assert f'trace.name === "{YOURS}"' in script
