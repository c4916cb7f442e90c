from dataclasses import replace

import pandas as pd

from grokbook import figures


def test_tables_are_shown_without_their_index():
    shown = figures.table(pd.DataFrame({"run": ["a+b", "a < b"]}, index=["first", "second"])).data
    assert "<td>a+b</td>" in shown
    assert "a &lt; b" in shown
    assert "first" not in shown


def test_short_cells_keep_to_one_line_and_long_ones_are_words():
    shown = figures.table(pd.DataFrame({"change": ["1.00 → 0.12"], "result": ["groks; from scratch it does not"]})).data
    assert "<td>1.00 → 0.12</td>" in shown
    assert '<td class="words">groks;' in shown


def test_the_outcome_table_has_a_row_per_run(wave_run, tiny_run):
    table = figures.outcome_table({"waves": [wave_run], "tiny": [tiny_run]})
    assert table.iloc[0].to_dict() == {
        "run": "waves",
        "seed": 0,
        "steps": "30",
        "budget": "30",
        "grok step": "10",
        "best test accuracy": "100.0%",
        "FFS W_E": "0.12",
        "FCR W_E": "0.20",
        "FFS W_L": "0.20",
        "FCR W_L": "0.20",
    }
    assert table["grok step"].tolist() == ["10", "–"]


def test_the_outcome_table_sets_steps_beside_the_budget(tiny, wave_run):
    history = wave_run.history.assign(step=1000 * wave_run.history["step"])
    run = replace(wave_run, config=tiny(p=11, max_steps=40_000), history=history)
    (row,) = figures.outcome_table({"waves": [run]}).to_dict("records")
    assert list(row)[:5] == ["run", "seed", "steps", "budget", "grok step"]
    assert (row["steps"], row["budget"], row["grok step"]) == ("30,000", "40,000", "10,000")
