from grokbook import figures


def test_runs_are_grouped_by_operation_in_order(tiny, tiny_run, tiny_mixture, wave_run, grokked_run):
    groups = figures.by_operation([tiny_mixture, tiny_run, grokked_run, wave_run])
    assert {label: [run.config.p for run in group] for label, group in groups.items()} == {
        ", ".join(map(figures.pretty, ("a-b", "ab+b", "a^2+b"))): [7],
        "a+b": [7, 11],
        "a²": [11],
    }
