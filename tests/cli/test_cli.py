import json
import subprocess
import sys
from dataclasses import replace

import nbformat
import numpy as np
import pytest
from commands import assert_short_error, grokbook
from same import assert_same_run

from grokbook import Operation, RunConfig, RunStore, cli, runs
from grokbook.analysis import restricted_history
from grokbook.book import build, copies, execute
from grokbook.errors import RunDiffers
from grokbook.paper import experiments
from grokbook.runs import outcomes, repeats
from grokbook.runs import store as folders
from grokbook.runs.outcomes import Outcome
from grokbook.runs.run import WEIGHTS
from grokbook.training import trainer
from grokbook.training.engine import Stack

QUICK = ("--p", "5", "--fraction", "0.5", "--max-steps", "3", "--device", "cpu")


# --- train ----------------------------------------------------------------------------------------


def test_train_stores_the_run_and_prints_its_measures(mine):
    result = grokbook("train", "a*b", *QUICK)
    assert result.exit_code == 0, result.stderr
    (folder,) = mine.folders()
    run = runs.read(folder)
    assert run.config == RunConfig(operations=("ab",), p=5, fraction=0.5, max_steps=3)
    last = run.history.iloc[-1]
    for expected in (
        "ab (p=5, r=0.5, seed 0) did not grok, 3 of 3 steps",
        "measures at step 3",
        f"{last['ffs_embedding']:.3f}",
        f"{last['fcr_neuron_logit']:.3f}",
        f"train: accuracy {last['train_accuracy']:.2%}",
        f"test: accuracy {last['test_accuracy']:.2%}",
        f"trained {run.provenance['started'][:10]}",
        f"on {run.provenance['device']}, torch {run.provenance['torch']}",
        "stopped: step budget",
        f"stored in {folder}",
    ):
        assert expected in result.stdout
    assert "did not grok" not in result.stderr, "said once"


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        (["model=separate", "d_model=16", "n_heads=2"], {"model": "separate", "d_model": 16, "n_heads": 2}),
        (["model=mlp", "activation=quadratic", "d_mlp=8"], {"model": "mlp", "activation": "quadratic", "d_mlp": 8}),
        (
            ["lr=3e-3", "betas=0.9, 0.99", "frozen=W_U,W_E"],
            {"lr": 3e-3, "betas": (0.9, 0.99), "frozen": ("W_E", "W_U")},
        ),
    ],
)
def test_train_sets_any_field(mine, settings, fields):
    options = [part for text in settings for part in ("--set", text)]
    result = grokbook("train", "a+b", *QUICK, *options)
    assert result.exit_code == 0, result.stderr
    (folder,) = mine.folders()
    assert runs.read(folder).config == RunConfig(operations=("a+b",), p=5, fraction=0.5, max_steps=3, **fields)
    verified = grokbook("runs", "verify")
    assert f"{folder.name}: agrees" in verified.stdout, verified.stderr


def test_train_prints_json_and_nothing_else_on_request(mine):
    result = grokbook("train", "a + b", *QUICK, "--seed", "4", "--json")
    summary = json.loads(result.stdout)
    (folder,) = mine.folders()
    run = runs.read(folder)
    assert (summary["name"], summary["folder"]) == (folder.name, str(folder))
    assert (summary["steps"], summary["grok_step"], summary["seed"]) == (3, None, 4)
    assert summary["config"] == run.config.to_dict()
    assert summary["final"] == pytest.approx(run.history.iloc[-1].drop("step").to_dict())
    assert summary["provenance"] == run.provenance
    assert "steps in" in result.stderr, "progress goes to standard error"


def test_a_stored_run_is_read_not_trained(mine, monkeypatch):
    first = grokbook("train", "a*b", *QUICK, "--json")
    monkeypatch.setattr(trainer, "Stack", lambda *_: pytest.fail("trained again"))
    assert json.loads(grokbook("train", "b*a", *QUICK, "--json").stdout) == json.loads(first.stdout)
    assert "this run is stored: nothing was trained" in grokbook("train", "b*a", *QUICK).stdout


def test_a_published_run_is_shown_with_default_options():
    result = grokbook("train", "a*b", "--seed", "0")
    assert result.exit_code == 0, result.stderr
    assert "this run is published: nothing was trained" in result.stdout


def test_a_run_is_found_by_the_name_and_the_hash_that_it_had_before():
    name = RunConfig(operations=("ab",), max_steps=40_000).former_name
    for old in (name, name.rpartition("-")[2], name.rpartition("-")[2][:8]):
        assert "grokked at step 4,800" in grokbook("runs", "show", old).stdout


def test_runs_of_former_names_are_renamed(mine, tiny_run):
    folder = mine.put(tiny_run)
    old = folder.rename(folder.with_name(tiny_run.config.former_name))
    assert "grokbook runs rename" in grokbook("runs", "list").stderr
    result = grokbook("runs", "rename")
    assert (result.exit_code, result.stdout.strip()) == (0, f"{old.name}: {folder.name}")
    assert tiny_run.config in mine
    assert grokbook("runs", "rename").stdout == ""


def test_options_reach_the_config(mine):
    options = ("--operands", "vocab", "--random-embedding", "--fraction", "0.3")
    summary = json.loads(grokbook("train", "a*b", "a^2+b", *QUICK, *options, "--json").stdout)
    assert summary["config"] == {
        "operations": ["ab", "a^2+b"],
        "p": 5,
        "fraction": 0.3,
        "seed": 0,
        "max_steps": 3,
        "operands": "vocab",
        "frozen": ["W_E"],
    }


def test_a_table_is_trained_listed_and_shown(mine, tmp_path):
    table = np.add.outer(range(5), [2 * b % 5 for b in range(5)]) % 5
    np.savetxt(tmp_path / "turn.csv", table, fmt="%d", delimiter=",")
    command = ("train", "--table", "turn.csv", "--fraction", "0.5", "--max-steps", "3", "--device", "cpu", "--json")
    summary = json.loads(grokbook(*command).stdout)
    assert RunConfig.from_dict(summary["config"]).parsed_operations == (Operation.from_table("turn", table),)
    assert (summary["p"], summary["label"]) == (5, "turn (p=5, r=0.5, seed 0)")
    renamed = json.loads(grokbook(*command, "a+b", "--name", "[/turn]").stdout)
    assert renamed["task"] == "a+b, [/turn]"
    listed = grokbook("runs", "list").stdout
    assert " turn " in listed
    assert " a+b, [/turn] " in listed
    assert "turn (p=5, r=0.5, seed 0) did not grok" in grokbook("runs", "show", summary["hash"]).stdout


@pytest.mark.parametrize(
    ("content", "options", "parts"),
    [
        ("0,1,2\n1,2,0\n2,0,1\n", ("--p", "5"), ("table 'turn' is 3 × 3", "p = 5")),
        ("0,1,2\n1,2,0\n", (), ("table 'turn'", "2 × 3")),
        ("0,1,2\n1,2,7\n2,0,1\n", (), ("a = 1, b = 2", "7")),
        ("0,1,x\n", (), ("turn.csv", "x")),
        ("", (), ("turn.csv",)),
        ("0,1,2\n1,2,0\n2,0,1\n", ("--name", "a+b"), ("must not read as a polynomial",)),
        ("0,1,2\n1,2,0\n2,0,1\n", ("--operands", "vocab"), ("operands", "vocab")),
        (None, (), ("turn.csv",)),
    ],
)
def test_what_is_no_table_is_one_line(mine, tmp_path, content, options, parts):
    if content is not None:
        (tmp_path / "turn.csv").write_text(content)
    assert_short_error(grokbook("train", "--table", "turn.csv", *options), 2, *parts)
    assert_short_error(grokbook("train", "a+b", "--name", "turn"), 2, "--table FILE")
    assert_short_error(grokbook("train"), 2, "--table FILE")
    assert not mine.path.exists()


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("a/b",), ("column 2", "a quotient is no polynomial")),
        (("c+1",), ("column 1",)),
        (("__import__('os')",), ("column 1",)),
        (("a**10**9",), ()),
        (("a;b",), ("column 2",)),
        (("a" * 10_000,), ()),
        (("a+b", "--p", "91"), ("prime", "91")),
        (("a+b", "--p", "2"), ("prime",)),
        (("a+b", "--fraction", "1"), ("fraction",)),
        (("a+b", "--fraction", "nan"), ("fraction",)),
        (("a+b", "--fraction", "1e-9"), ("train set empty",)),
        (("a+b", "--set", "modle=mlp"), ("--set modle=mlp", "no field 'modle'", "nearest is 'model'")),
        (("a+b", "--set", "model"), ("--set takes FIELD=VALUE", "not 'model'")),
        (("a+b", "--set", "model=mpl"), ("unknown model 'mpl'", "nearest is 'mlp'")),
        (("a+b", "--set", "activation=sine"), ("unknown activation 'sine'", "of relu, quadratic")),
        (("a+b", "--set", "d_mlp=wide"), ("--set d_mlp=wide: 'wide' is not a whole number",)),
        (("a+b", "--set", "betas=0.9,x"), ("--set betas=0.9,x: 'x' is not a number",)),
        (("a+b", "--set", "betas=0.9"), ("betas must be two numbers in [0, 1)",)),
        (("a+b", "--set", "lr=-1"), ("lr must be positive, got -1.0",)),
        (("a+b", "--set", "lr=1", "--set", "lr=2"), ("--set lr=2: lr is given twice",)),
        (("a+b", "--p", "7", "--set", "p=11"), ("--set p=11: p is given twice",)),
        (("a+b", "--p", "97", "--set", "p=11"), ("--set p=11: p is given twice",)),
        (("a+b", "--random-embedding", "--set", "frozen=W_U"), ("--set frozen=W_U: frozen is given twice",)),
        (("a+b", "--set", "source=x"), ("--set source=x: not here", "grokbook sweep")),
        (("a+b", "--set", "operations=a"), ("--set operations=a: not here",)),
        (("a+b", "a-b", "--set", "model=mlp"), ("model 'mlp' learns one operation",)),
        (("a+b", "--random-embedding", "--set", "model=mlp"), ("unknown weight 'W_E'; there are W_a, W_b, W_out",)),
        (("a+b", "--max-steps", "-1"), ("max_steps",)),
        (("a+b", "--operands", "all"), ("operands",)),
        (("a+b", "--device", "banana"), ("banana",)),
        (("a+b", "b+a"), ("given twice",)),
    ],
)
def test_bad_input_is_one_line(mine, no_training, arguments, parts):
    assert_short_error(grokbook("train", *arguments), 2, *parts)
    assert not mine.path.exists()


def test_divergence_has_no_traceback(mine, monkeypatch):
    start = trainer.initial_weights

    def poisoned(*arguments):
        weights = start(*arguments)
        weights.W_U[0] = float("nan")
        return weights

    monkeypatch.setattr(trainer, "initial_weights", poisoned)
    result = grokbook("train", "a+b", *QUICK)
    assert result.exit_code == 2
    report, error = result.stderr.strip().splitlines()
    assert report.endswith("diverged at step 0")
    assert error.startswith("grokbook: train loss nan, test loss nan at step 0")


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(mine, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Stack, "advance", interrupt)
    result = grokbook("train", "a+b", *QUICK)
    assert result.exit_code == 130
    assert "repeat the command to go on" in result.stderr
    assert "Traceback" not in result.output


# --- runs -----------------------------------------------------------------------------------------


@pytest.fixture
def stored(mine, tiny_run, tiny_mixture, tiny_transfer):
    for run in (tiny_run, tiny_mixture, tiny_transfer):
        mine.put(run)
    return mine


def test_list_names_every_run(stored, tiny_run, tiny_mixture, tiny_transfer):
    result = grokbook("runs", "list")
    assert result.exit_code == 0
    for run in (tiny_run, tiny_mixture, tiny_transfer):
        assert run.config.hash[:8] in result.stdout
    summaries = json.loads(grokbook("runs", "list", "--json").stdout)
    assert [s["name"] for s in summaries] == [folder.name for folder in stored.folders()]


def test_list_of_an_empty_store_is_empty(mine):
    assert json.loads(grokbook("runs", "list", "--json").stdout) == []


def test_list_names_damaged_runs_and_goes_on(stored, tiny_run):
    (stored.folder(tiny_run.config) / WEIGHTS).unlink()
    result = grokbook("runs", "list", "--json")
    assert result.exit_code == 1
    assert len(json.loads(result.stdout)) == 2
    assert f"{tiny_run.config.name}/{WEIGHTS}: missing" in result.stderr


def test_show_finds_a_run_by_the_beginning_of_its_name_or_hash(stored, tiny_run):
    config = tiny_run.config
    for name in (config.name, config.name[:12], config.hash, config.hash[:6]):
        result = grokbook("runs", "show", name, "--json")
        assert json.loads(result.stdout)["name"] == config.name
    assert "did not grok, 30 of 30 steps" in grokbook("runs", "show", config.hash).stdout


def test_show_refuses_unknown_and_ambiguous_names(stored):
    assert_short_error(grokbook("runs", "show", "nothing"), 2, "no stored run is called 'nothing'", "runs list")
    result = grokbook("runs", "show", "a")
    assert_short_error(result, 2, "'a' fits 3 runs: a")
    assert "more" not in result.stderr


def test_show_refuses_a_damaged_run(stored, tiny_run):
    (stored.folder(tiny_run.config) / WEIGHTS).write_bytes(b"")
    assert_short_error(grokbook("runs", "show", tiny_run.config.name), 2, WEIGHTS, "checksum")


def test_clean_removes_states_for_larger_budgets_only(mine, tiny):
    mine.ensure([tiny(max_steps=3)], "cpu", progress=False)
    (ended,) = mine.states.glob("*.safetensors")
    own = mine.states / "a+b-p7.safetensors"
    own.write_bytes(ended.read_bytes())
    result = grokbook("runs", "clean")
    assert (result.exit_code, result.stdout) == (0, f"{own.stat().st_size / 1e6:.1f} MB were freed\n")
    assert (ended.exists(), own.exists(), tiny(max_steps=3) in mine) == (False, True, True)


def test_an_unknown_option_is_not_taken_for_an_operation(mine):
    assert_short_error(grokbook("train", "a+b", "--max_steps", "10"), 2, "no such option: --max_steps", "--help")


def test_publish_copies_runs_and_says_how_much_is_published(stored, tiny_run, tiny_mixture, tmp_path):
    target = tmp_path / "published"
    names = [tiny_run.config.hash, tiny_mixture.config.name]
    result = grokbook("runs", "publish", *names, "--maps", "none", "--to", str(target))
    assert result.exit_code == 0, result.stderr
    assert {folder.name for folder in target.iterdir()} == {tiny_run.config.name, tiny_mixture.config.name}
    assert result.stdout.splitlines()[-1].endswith(" MB are published")
    assert_short_error(grokbook("runs", "publish", names[0], "--to", str(target)), 2, "published already")
    assert_short_error(grokbook("runs", "publish", "nothing", "--to", str(target)), 2, "no stored run")
    kept = grokbook("runs", "publish", names[0], "--weights", "--to", str(tmp_path / "other"))
    assert kept.exit_code == 0
    assert (tmp_path / "other" / tiny_run.config.name / WEIGHTS).exists()


def test_losses_over_training_are_kept_and_verified(stored, mine, tiny_run):
    name = tiny_run.config.name
    result = grokbook("runs", "ablations", name, "--to", str(mine.path))
    assert result.exit_code == 0, result.output
    path = mine.path / f"{name}.ablations.parquet"
    assert result.stdout.strip() == str(path)
    assert grokbook("runs", "verify").exit_code == 0
    assert_short_error(grokbook("runs", "ablations", name, "--to", str(mine.path)), 2, "there already")
    path.write_bytes(b"PAR1")
    result = grokbook("runs", "verify")
    assert result.exit_code == 1
    assert "ablations.parquet: unreadable" in result.stderr


def test_a_run_is_trained_once_more_and_a_row_tells_how_that_ended(stored, mine, tiny_run, tiny_transfer):
    names = [tiny_run.config.name, tiny_transfer.config.name]
    before = {path: path.read_bytes() for path in mine.path.rglob("*.json")}
    result = grokbook("runs", "repeat", *names, "--device", "cpu", "--to", str(mine.path))
    assert result.exit_code == 0, result.output
    rows = repeats.read(mine)
    assert {row.config for row in rows} == {tiny_run.config, tiny_transfer.config}
    assert {path: path.read_bytes() for path in mine.path.rglob("*.json")} == before, "the stored runs stay"
    assert grokbook("runs", "verify").exit_code == 0
    missing = grokbook("runs", "repeat", "nothing", "--to", str(mine.path))
    assert_short_error(missing, 2, "no stored run")


def test_a_run_that_comes_out_as_another_one_is_told_in_a_line(stored, mine, tiny_run, monkeypatch):
    def differs(run, place):
        raise RunDiffers("its spectra are others")

    monkeypatch.setattr(restricted_history, "keep", differs)
    result = grokbook("runs", "ablations", tiny_run.config.name, "--to", str(mine.path))
    assert_short_error(result, 2, "its spectra are others")


def test_verify_agrees_with_sound_runs(stored):
    result = grokbook("runs", "verify")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "3 runs agree with their history, 0 do not"
    assert result.stderr == ""


def test_verify_names_a_damaged_run_and_checks_the_others(stored, tiny_run):
    (stored.folder(tiny_run.config) / WEIGHTS).write_bytes(b"")
    result = grokbook("runs", "verify")
    assert result.exit_code == 1
    assert tiny_run.config.name in result.stderr
    assert result.stdout.splitlines()[-1] == "2 runs agree with their history, 1 do not"


def test_verify_finds_a_run_that_contradicts_itself(stored, mine, tiny_run, tiny):
    other = replace(tiny_run, config=tiny(seed=8))  # seed 0's results under seed 8's name
    mine.put(other)
    assert_same_run(mine.get(other.config), other)
    result = grokbook("runs", "verify")
    assert result.exit_code == 1
    assert f"{other.config.name}: train_accuracy is " in result.stderr


def test_tabulate_keeps_what_another_process_adds_meanwhile(table, tiny, tiny_run, tiny_mixture, monkeypatch):
    found = outcomes.stored

    def meanwhile(folders, configs):
        yield from found(folders, configs)
        other = replace(Outcome.of(tiny_run), config=tiny(seed=9))
        outcomes.write(outcomes.merge(outcomes.read(table), [other]), table)

    monkeypatch.setattr(outcomes, "stored", meanwhile)
    assert grokbook("runs", "tabulate").exit_code == 0
    assert {row.config.seed for row in outcomes.read(table)} == {0, 1, 9}


@pytest.fixture
def table(stored, tmp_path, tiny, monkeypatch):
    """A table of the stored runs, beside the published ones of a checkout."""
    published = RunStore(tmp_path / "runs", [tmp_path / "published"])
    for module in (folders, cli.runs):
        monkeypatch.setattr(module, "default_folders", lambda: published)
    monkeypatch.setitem(experiments.EXPERIMENTS, "summary-grid", experiments.Experiment("here"))
    configs = [tiny(), tiny("a-b", "ab+b", "a^2+b", seed=1)]
    monkeypatch.setattr(experiments.Experiment, "configs", lambda self: configs)
    return tmp_path / "published" / "summary-grid.parquet"


def test_tabulate_adds_the_runs_of_an_experiment_to_its_table(table, tiny_run, tiny_mixture):
    result = grokbook("runs", "tabulate")
    assert (result.exit_code, result.stdout) == (0, f"{table}: 2 runs, 2 of them new\n"), result.stderr
    assert {row.config for row in outcomes.read(table)} == {tiny_run.config, tiny_mixture.config}
    before = table.read_bytes()
    assert grokbook("runs", "tabulate").stdout == f"{table}: 2 runs, 0 of them new\n"
    assert table.read_bytes() == before


def test_tabulate_refuses_what_contradicts_the_table(table, tiny_run):
    outcomes.write([replace(Outcome.of(tiny_run), best_test_accuracy=0.9)], table)
    before = table.read_bytes()
    result = grokbook("runs", "tabulate")
    assert_short_error(result, 2, tiny_run.config.name, "another best_test_accuracy")
    assert table.read_bytes() == before


def test_tabulate_refuses_unknown_experiments_and_asks_for_a_place(mine, tmp_path):
    assert_short_error(grokbook("runs", "tabulate", "sumary-grid"), 2, "did you mean summary-grid")
    assert_short_error(grokbook("runs", "tabulate"), 2, "--to FILE")
    result = grokbook("runs", "tabulate", "--to", str(tmp_path / "new" / "t.parquet"))
    assert result.stdout.endswith("t.parquet: 0 runs, 0 of them new\n")


def test_verify_compares_tables_with_runs(table, tiny, tiny_run, tiny_mixture):
    elsewhere = replace(Outcome.of(tiny_run), config=tiny(seed=9))
    again = replace(
        Outcome.of(tiny_mixture), best_test_accuracy=1.0, facts={**Outcome.of(tiny_mixture).facts, "started": "later"}
    )
    outcomes.write([Outcome.of(tiny_run), elsewhere, again], table)
    result = grokbook("runs", "verify")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[-2:] == [
        "summary-grid.parquet: 3 rows agree, 0 do not (1 compared with runs, 1 were trained a second time)",
        "3 runs agree with their history, 0 do not",
    ]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"best_test_accuracy": 0.9}, "best_test_accuracy is not that of the stored run"),
        ({"steps": 31}, "step 31, not"),
    ],
)
def test_verify_names_rows_that_do_not_hold(table, tiny_run, changes, problem):
    outcomes.write([replace(Outcome.of(tiny_run), **changes)], table)
    result = grokbook("runs", "verify")
    assert result.exit_code == 1
    assert problem in result.stderr
    assert tiny_run.config.name in result.stderr
    assert "0 rows agree, 1 do not" in result.stdout


def test_verify_names_a_table_that_does_not_read(table):
    table.parent.mkdir()
    table.write_bytes(b"nothing")
    result = grokbook("runs", "verify")
    assert result.exit_code == 1
    assert f"{table}: unreadable" in result.stderr


# --- notebook and book ----------------------------------------------------------------------------


def test_notebook_passes_parameters_with_their_types(mine, tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr(
        execute, "execute_notebook", lambda *arguments, progress, copy: seen.update(zip("sop", arguments, strict=True))
    )
    (tmp_path / "own.md").write_text("# mine")
    given = {"p": "59", "fraction": "0.4", "operations": "['a+b', 'ab']", "max_steps": "None", "device": "cpu"}
    pairs = [part for name, value in given.items() for part in ("-p", name, value)]
    result = grokbook("notebook", str(tmp_path / "own.md"), *pairs)
    assert result.exit_code == 0, result.output
    assert seen["p"] == {"p": 59, "fraction": 0.4, "operations": ["a+b", "ab"], "max_steps": None, "device": "cpu"}
    assert (seen["s"].name, str(seen["o"]), result.stdout) == ("own.md", "own.out.ipynb", "own.out.ipynb\n")


@pytest.mark.parametrize(
    "arguments",
    [("-p", "p", "59", "elementary"), ("elementary", "-p", "p", "59"), ("elementary", "--parameter", "p", "59")],
)
def test_parameters_may_stand_anywhere(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    seen = []
    monkeypatch.setattr(
        execute, "execute_notebook", lambda source, output, parameters, progress, copy: seen.append(parameters)
    )
    assert grokbook("notebook", *arguments).exit_code == 0
    assert seen == [{"p": 59}]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("elementary", "-p", "p"), "-p NAME VALUE"),
        (("elementary", "-p"), "-p NAME VALUE"),
        (("elementary", "polynomials"), "one notebook at a time"),
        (("elementary", "--prime", "7"), "got elementary --prime 7"),
        (("-p", "p", "59"), "got none"),
    ],
)
def test_malformed_notebook_arguments_are_one_line(tmp_path, monkeypatch, arguments, part):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(execute, "execute_notebook", lambda *_: pytest.fail("executed"))
    assert_short_error(grokbook("notebook", *arguments), 2, part)


def test_notebooks_of_the_checkout_go_by_name(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    seen = []
    monkeypatch.setattr(
        execute, "execute_notebook", lambda source, output, parameters, progress, copy: seen.append((source, output))
    )
    assert grokbook("notebook", "elementary", "-o", str(tmp_path / "x.ipynb")).exit_code == 0
    assert seen == [(folders.checkout() / "notebooks" / "elementary.md", tmp_path / "x.ipynb")]
    stems = sorted(path.stem for path in (folders.checkout() / "notebooks").glob("*.md"))
    names = f"The notebooks are {', '.join(stem if 'workshop' not in stem else stem[:10] for stem in stems)}."
    assert_short_error(grokbook("notebook", "elementry"), 2, "no notebook 'elementry', did you mean elementary?")
    assert_short_error(grokbook("notebook", "zzz"), 2, "no notebook 'zzz'.", names)


def test_the_beginning_of_a_name_is_enough_where_only_one_has_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seen = []
    monkeypatch.setattr(execute, "execute_notebook", lambda source, *_, **__: seen.append(source.stem))
    assert grokbook("notebook", "workshop_2").exit_code == 0
    assert seen == ["workshop_2_read_the_circuit"]
    three = "workshop_1_watch_it_grok or workshop_2_read_the_circuit or workshop_3_beyond_addition"
    assert_short_error(grokbook("notebook", "workshop"), 2, f"no notebook 'workshop', did you mean {three}?")


def test_the_student_s_copy_of_a_workshop_is_written_unexecuted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(execute, "execute_notebook", lambda *_, **__: pytest.fail("executed"))
    result = grokbook("notebook", "workshop_1", "--student", "-p", "p", "37")
    assert (result.exit_code, result.stdout) == (0, "workshop_1_watch_it_grok.student.ipynb\n"), result.output
    copy = nbformat.read(tmp_path / "workshop_1_watch_it_grok.student.ipynb", as_version=4)
    code = [cell for cell in copy.cells if cell.cell_type == "code"]
    assert "p = 37" in code[1].source  # after the parameters, which it replaces
    assert not any(cell.outputs for cell in code)
    assert sum("# your code here" in cell.source for cell in code) >= 5
    assert copy.metadata.papermill.input_path == "workshop_1_watch_it_grok.md"
    assert copy.metadata.papermill.parameters == {"p": 37}


def test_the_instructor_s_copy_of_a_workshop_is_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seen = {}
    monkeypatch.setattr(
        execute, "execute_notebook", lambda source, output, parameters, **rest: seen.update(rest, output=output)
    )
    assert grokbook("notebook", "--solutions", "workshop_3").exit_code == 0
    assert seen["copy"] is copies.instructor_copy
    assert str(seen["output"]) == "workshop_3_beyond_addition.solutions.ipynb"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("workshop_1", "--student", "--solutions"), "ask for one at a time"),
        (("elementary", "--student"), "elementary.md has no exercises"),
        (("elementary", "--solutions"), "elementary.md has no exercises"),
        (("workshop_1", "--student", "-p", "prime", "7"), "no parameter 'prime'"),
        (("workshop_1", "--student", "-p", "p", "x"), "p takes int, not str"),
    ],
)
def test_copies_that_cannot_be_made_are_one_line(tmp_path, monkeypatch, arguments, part):
    monkeypatch.chdir(tmp_path)
    assert_short_error(grokbook("notebook", *arguments), 2, part)
    assert not list(tmp_path.iterdir())


def test_wrong_notebook_parameters_are_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert_short_error(grokbook("notebook", "elementary", "-p", "fracton", "0.4"), 2, "did you mean fraction")


@pytest.mark.parametrize(
    ("module", "function", "error", "arguments"),
    [
        (execute, "execute_notebook", execute.NotebookError("one.md: cell 3 raised"), ("notebook", "elementary")),
        (build, "build", build.BuildError("jupyter-book failed"), ("book",)),
    ],
)
def test_a_failed_notebook_or_build_has_no_traceback(tmp_path, monkeypatch, module, function, error, arguments):
    def fail(*_, **__):
        raise error

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, function, fail)
    assert_short_error(grokbook(*arguments), 2, str(error))


def test_book_prints_the_index(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "build", lambda root, out: (out or root) / "index.html")
    assert grokbook("book", "-o", str(tmp_path)).stdout.replace("\n", "") == str(tmp_path / "index.html")


def test_book_needs_a_checkout(mine):
    assert_short_error(grokbook("book"), 2, "checkout")


def test_help_lists_the_commands():
    result = subprocess.run(
        [sys.executable, "-m", "grokbook", "--help"], capture_output=True, text=True, check=True, timeout=300
    )
    assert all(command in result.stdout for command in ("train", "runs", "notebook", "book"))
