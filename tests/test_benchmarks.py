"""The benchmark measures what it says: rivals are the same model, operations are counted right, there is a table."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from benchmarks import bench, checks, first_figure, flops, parts, passes, scaling, small_profiles, stacked, table, task
from benchmarks.worker import Job, best_rate
from grokbook import RunConfig, data, model, paper
from grokbook.model import backward, compiled
from grokbook.model.plan import Plan, Rows
from grokbook.model.weights import initialise, stack

V, D, HEADS, MLP = 16, 16, 2, 32
SIZES = {"d_model": D, "n_heads": HEADS, "d_mlp": MLP}


@pytest.fixture
def problem(tiny):
    """Float64 weights, tokens and labels of a run at p = 11."""
    config = tiny(p=11)
    tokens, labels = task.train_rows(config)
    weights = initialise(config.d_vocab, rng=np.random.default_rng(1), **SIZES).map(lambda w: 1.5 * w.double())
    return weights, tokens, labels


def textbook_answer(weights, tokens, labels) -> checks.Answer:
    leaves = weights.map(lambda w: w.clone().requires_grad_())
    logits, _ = model.textbook_logits(leaves, tokens)
    loss = torch.nn.functional.cross_entropy(logits, labels)
    loss.backward()
    return checks.Answer(loss.detach(), {name: leaf.grad for name, leaf in leaves._asdict().items()})


def test_plain_module_is_the_textbook_pass(problem):
    weights, tokens, labels = problem
    module = task.load(task.Plain(V, **SIZES), weights)
    logits = module(tokens)
    assert logits.shape == (len(tokens), 3, V)
    torch.testing.assert_close(logits[:, -1], model.textbook_logits(weights, tokens)[0], rtol=1e-12, atol=1e-12)
    found = checks.module_answer(lambda: task.Plain(V, **SIZES), *problem)
    assert checks.compare(found, textbook_answer(*problem), module.to_own, "plain") < 1e-12


def test_engine_answer_is_the_textbook_one(problem):
    found, expected = checks.engine_answer(*problem), textbook_answer(*problem)
    assert checks.compare(found, expected, lambda _, matrix: matrix, "engine") < 1e-12


def test_a_module_that_computes_something_else_is_found_out(problem):
    class Shifted(task.Plain):
        def forward(self, tokens):
            return super().forward(tokens) * 1.001

    with pytest.raises(AssertionError, match="the loss"):
        checks.compare(
            checks.module_answer(lambda: Shifted(V, **SIZES), *problem),
            checks.engine_answer(*problem),
            task.Plain(V, **SIZES).to_own,
            "it",
        )


def test_a_module_that_trains_less_is_found_out(problem):
    def frozen() -> task.Plain:
        module = task.Plain(V, **SIZES)
        module.embed.requires_grad_(False)
        return module

    with pytest.raises(AssertionError, match="are trained"):
        checks.module_answer(frozen, *problem)


def test_losses_after_the_same_updates_must_agree():
    assert checks.check_trained({"a": 2.0, "b": 2.0 + 1e-5}) == pytest.approx(5e-6)
    with pytest.raises(AssertionError, match="differ"):
        checks.check_trained({"a": 2.0, "b": 2.01})
    with pytest.raises(AssertionError, match="differ"):
        checks.check_trained({"a": 2.0, "b": float("nan")})


def test_operations_of_the_plain_module(problem):
    weights, tokens, labels = problem
    n = len(tokens)
    per_position = 4 * D * D + 2 * D * MLP + D * V
    attention = 2 * 3 * 3 * D  # scores and weighted values of all heads, per row
    counted = flops.count(lambda: checks.module_answer(lambda: task.Plain(V, **SIZES), *problem))
    assert counted == 3 * 2 * n * (3 * per_position + attention)  # a backward pass has twice the products


@pytest.mark.parametrize("runs", [1, 3])
def test_operations_of_the_engine(problem, runs):
    weights, tokens, labels = problem
    plan = Plan.of(Rows.of(tokens.expand(runs, -1, -1)), HEADS, V)
    n, n_ctx, out = len(tokens), plan.rows.contexts.op.shape[1], MLP + V
    by_row = 3 * n * MLP * V  # neurons to logits
    weighted = 2 * HEADS  # terms with a weight of their own; forward and back there is one more, the residual path
    by_row += n * out * (2 * (weighted + 1) + weighted)
    by_token = (
        3 * V * D * D  # queries, keys, values
        + V * n_ctx * D  # scores
        + D * D * out  # W_O [W_in | W_U]
        + (V + n_ctx) * D * out  # entries of tokens and of contexts
        + n_ctx * D * (D + out)  # residual path: W_O of all heads, then [W_in | W_U]
        + MLP * D * V  # W_out W_U
    )
    by_ctx = 2 * n_ctx * (3 * D + D)  # gradients of queries, keys, values and embeddings, summed by token
    trained = stack([weights] * runs)
    counted = flops.count(lambda: backward.gradients(trained, plan, labels.expand(runs, -1), 1.0))
    assert counted == runs * 2 * (by_row + 3 * by_token + by_ctx)


def test_rate_of_two_processes_counts_the_time_they_share():
    first = [(0.0, 0), (1.0, 1), (2.0, 2), (3.0, 3)]
    second = [(1.0, 0), (1.5, 1), (2.0, 2)]
    assert bench.overlap_rate([first, second]) == pytest.approx(3.0)  # in 1..2: one step and two
    assert bench.overlap_rate([first]) == pytest.approx(1.0)
    with pytest.raises(RuntimeError, match="same time"):
        bench.overlap_rate([first, [(4.0, 0), (5.0, 1)]])


def test_matmul_rate_is_the_median_of_the_best_size():
    assert best_rate([{8: [1.0, 9.0], 16: [4.0, 4.0]}, {8: [1.0, 1.0], 16: [5.0, 4.0]}]) == 4.0


def test_rows_are_chosen_by_name():
    assert [row.name for row in bench.chosen_rows([])] == ["a", "b", "c", "d", "e4", "e16", "e64"]
    assert [row.name for row in bench.chosen_rows(["e", "c"])] == ["c", "e4", "e16", "e64"]
    with pytest.raises(ValueError, match="no row 'f'"):
        bench.chosen_rows(["f"])


def test_ratios_are_taken_round_by_round():
    slow, fast = bench.Row("a", "", (Job("plain"),)), bench.Row("c", "", (Job("engine"),))
    slow.rounds, fast.rounds = [1.0, 2.0, 4.0], [6.0, 12.0, 20.0]
    assert fast.against(slow) == 6.0


def test_table_is_markdown():
    assert table.render(["row", "ms"], [["a", "1.5"], ["long", "10"]]).splitlines() == [
        "| row  |  ms |",
        "|------|----:|",
        "| a    | 1.5 |",
        "| long |  10 |",
    ]


def test_bench_runs(capsys, tmp_path):
    """One row that can be measured, and two that may lack what they need."""
    file = tmp_path / "results.json"
    status = bench.main(["--rows", "b", "c", "e64", "--steps", "2", "--rounds", "1", "--strict", "--json", str(file)])
    captured = capsys.readouterr()
    results = json.loads(file.read_text("utf8"))
    assert len(results["rows"]["c"]["run_steps_per_s"]) == 1
    assert results["rows"]["c"]["flop_per_step"] > 1e9
    assert 0 < results["rows"]["c"]["share_of_matmul_rate"] < 1.5
    assert "| c   | grokbook, one run, one thread" in captured.out
    assert "differ by at most" in captured.err
    if find_spec("transformer_lens") is None:
        assert "transformer_lens is not installed" in captured.out
        assert status == 1
    if not torch.cuda.is_available():
        assert "no CUDA device" in captured.out


def test_scaling_table():
    sweeps = scaling.series("cpu")
    assert [job.p for job in sweeps["p"]] == [31, 59, 97, 113, 197]
    assert sweeps["r"][0] == sweeps["R"][0] == Job("engine")
    (line,) = scaling.lines(
        [{"device": "cpu", "changes": "R", "value": 2, "rows": 1000, "runs": 2, "ms": [50.0, 40.0, 60.0]}]
    )
    cells = [cell.strip() for cell in line.splitlines()[-1].split("|")]
    assert cells == ["", "cpu", "R = 2", "1000", "50.00", "40.00–60.00", "40.0", "25.00", ""]


def test_profile_finds_every_part():
    found = parts.measure(1)
    assert {*parts.REGIONS.values()} < found.keys()
    assert len(found) == len(parts.REGIONS) + 4
    assert all(ms > 0 for ms in found.values())
    assert not any("part:" in part for part in found)


def test_the_benchmark_is_the_papers_task():
    config = task.config()
    assert (config.p, config.fraction, config.operations) == (97, 0.3, ("a+b",))
    assert (config.lr, config.betas, config.weight_decay) == (1e-3, (0.9, 0.98), 1.0)
    assert len(task.train_rows(config)[1]) == data.n_train(97**2, 0.3) == 2822


def test_the_comparison_of_stacked_runs_sees_differences(tiny_run):
    history = tiny_run.history.copy()
    assert stacked.difference(tiny_run.history, history) == 0
    history.loc[history["step"] == 20, "train_loss"] *= 1.001
    assert stacked.difference(tiny_run.history, history) == pytest.approx(1e-3, rel=1e-3)
    assert stacked.difference(tiny_run.history, history, until=10) == 0
    (row,) = stacked.compare([tiny_run], [replace(tiny_run, history=history)]).to_dict("records")
    assert row["largest difference, first 200 steps"] == "1.0e-03"
    with pytest.raises(ValueError, match="same steps"):
        stacked.difference(tiny_run.history, history.iloc[1:])


@pytest.mark.skipif(compiled._library() is None, reason="the source does not compile here")
def test_steps_in_c_are_measured_beside_those_by_torch(tiny, monkeypatch, capsys):
    monkeypatch.setattr(passes, "SETTINGS", [tiny(), tiny("a-b", "ab+b", model="separate")])
    passes.main(["--steps", "2", "--rounds", "3"])
    *_, first, second = capsys.readouterr().out.splitlines()
    assert float(first.split("|")[4]) > 1, "where there is so little to compute, calls of torch take most of the time"
    assert "separate" in second
    with pytest.raises(RuntimeError, match="do not compile here"):
        passes.measure(tiny(n_heads=1, d_model=16, activation="quadratic"), 1, 1)


def test_grok_steps_by_torch_and_in_c_are_compared(tiny, monkeypatch):
    changes = {"d_model": 16, "n_heads": 2, "d_mlp": 32, "max_steps": 20, "eval_every": 10, "sustain": 10}
    monkeypatch.setattr(passes, "RunConfig", lambda **fields: RunConfig(**{**fields, **changes}))
    head, _, *rows = "\n".join(passes.grok_steps(5, 0.5, [0])).splitlines()
    assert "grok step by torch" in head
    assert len(rows) == len(passes.GROKKED)


# --- small profiles -------------------------------------------------------------------------------


def measured(*setting, grok_step: int | None = 500, seconds: float = 20.0) -> small_profiles.Found:
    return small_profiles.Found(small_profiles.Setting(*setting), grok_step, 0.875, 1500, 2 * seconds, seconds)


def test_a_small_run_is_the_paper_s_but_for_its_size_and_ends_when_it_has_grokked():
    config = small_profiles.Setting(31, 0.7, "a*b", 2, 6000).config
    plain = paper.single("a*b", p=31, fraction=0.7, seed=2, max_steps=6000)
    assert replace(config, tail=plain.tail) == plain
    assert config.tail == config.sustain


def test_a_small_run_is_trained_and_timed():
    found = small_profiles.measure(small_profiles.Setting(5, 0.5, "a+b", 0, 20))
    assert (found.grok_step, found.steps) == (None, 20)
    assert found.cpu_seconds > 0
    assert found.seconds > 0
    assert not found.fits(60)


def test_later_seeds_are_tried_only_where_all_operations_fitted(monkeypatch):
    slow, lost = {(7, "a+b"): {"seconds": 61.0}}, {(11, "a*b"): {"grok_step": None}}
    tried = []

    def measure(setting):
        tried.append(setting)
        return measured(*setting, **(slow | lost).get((setting.p, setting.operation), {}))

    monkeypatch.setattr(small_profiles, "measure", measure)
    settings = [
        small_profiles.Setting(p, 0.5, operation, seed)
        for seed in (0, 1)
        for p in (5, 7, 11)
        for operation in ("a+b", "a*b")
    ]
    known = [measured(5, 0.5, "a+b", 0, settings[0].max_steps)]
    with ThreadPoolExecutor(1) as pool:
        found = list(small_profiles.search(settings, known, pool, limit=60))
        assert {(one.p, one.seed) for one in tried} == {(5, 0), (7, 0), (11, 0), (5, 1)}
        assert settings[0] not in tried, "it is known"
        assert sorted(one.setting for one in found) == sorted(tried)
        tried.clear()
        list(small_profiles.search(settings, (), pool, limit=60, everywhere=True))
        assert sorted(tried) == sorted(settings)
    shown = "\n".join(small_profiles.lines([*known, *found], 60))
    assert "– (best test 88%)" in shown
    assert shown.split("\n\n")[1].startswith("p = 5, r = 0.5: all 4 runs in time")
    assert "p = 7" not in shown.split("\n\n")[1]


def test_pairs_are_counted_as_they_are_trained_on():
    row = next(small_profiles.lines([measured(10, 0.29, "a+b", 0)], 60)).splitlines()[-1]
    assert row.split("|")[3].strip() == "29"  # where floats make it 28.99…


def test_runs_that_were_measured_are_kept(tmp_path):
    found = [measured(31, 0.7, "a*b", 0), measured(31, 0.7, "a+b", 1, grok_step=None)]
    file = tmp_path / "found.jsonl"
    assert small_profiles.read(file) == []
    file.write_text("".join(f"{json.dumps(one)}\n" for one in found))
    assert small_profiles.read(file) == found


SLOW = """<figure class="grokbook-figure" style="margin-top: 3000px">figure</figure><script>
addEventListener("scroll", () => setTimeout(() => {
    document.querySelector("figure").dataset.state = "drawn";
}, 400), {once: true});
</script>"""


@pytest.mark.xdist_group("browser")
def test_a_page_is_timed_until_its_first_figure_stands(tmp_path, capsys):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "slow.html").write_text(SLOW)
    (tmp_path / "plain.html").write_text("no figure")
    assert first_figure.pages_with_figures(tmp_path) == ["deep/slow"]
    arguments = ["--site", str(tmp_path), "--rounds", "1", "--seconds"]
    assert first_figure.main([*arguments, "60"]) == 0
    assert "0 of 1 pages over 60 s" in capsys.readouterr().out
    assert first_figure.main([*arguments, "0.4"]) == 1, "the script alone takes as long"
    with pytest.raises(SystemExit):
        first_figure.main([*arguments, "1", "plain"])
    assert "no page with a figure: plain" in capsys.readouterr().err


def test_the_slowest_page_comes_first():
    found = [first_figure.Waited("a", (0.5, 0.6, 9.0)), first_figure.Waited("b", (2.5, 2.1, 1.0))]
    table, _, closing = first_figure.lines(found, 2.0)
    assert [line.split("|")[1].strip() for line in table.splitlines()[2:]] == ["b", "a"]
    assert "2.10 | 1.00–2.50" in table
    assert closing == "1 of 2 pages over 2 s: b"
