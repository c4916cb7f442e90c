import json
import math
import re
from dataclasses import replace
from functools import cache

import pandas as pd
import pytest
import torch
from checkout import ROOT
from commands import grokbook
from endings import ending, with_history

from grokbook import RunStore, model
from grokbook.analysis.balance import untrained_maps
from grokbook.data.operations import pretty
from grokbook.fourier import layers
from grokbook.model.weights import Weights
from grokbook.paper import claims
from grokbook.paper.claims import CLAIMS, Criterion, Evidence, Judgement, Verdict, spectral, transfers, verdict
from grokbook.paper.claims.criteria import SEEDS, Value, grokked
from grokbook.paper.claims.judging import claim
from grokbook.paper.experiments import EXPERIMENTS, NOT_FACTORIZABLE
from grokbook.runs import publish
from grokbook.runs.config import RunConfig
from grokbook.runs.history import history_columns
from grokbook.runs.initial import initial_weights
from grokbook.runs.run import Run, Spectra


def criterion(*values: float, **limit: float) -> Criterion:
    return Criterion(what="a number", values=tuple(Value(seed, float(v)) for seed, v in enumerate(values)), **limit)


# --- verdicts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "limit", "passed"),
    [
        ([1, 2, 3], {"at_most": 2.0}, [True, True, False]),
        ([1, 2, 3], {"at_least": 2.0}, [False, True, True]),
        ([math.nan, math.inf], {"at_least": 2.0}, [None, True]),
        ([math.nan, -math.inf], {"at_most": 2.0}, [None, True]),
        ([], {"at_most": 2.0}, []),
    ],
)
def test_a_limit_is_kept_or_not(values, limit, passed):
    assert criterion(*values, **limit).passed == passed


@pytest.mark.parametrize("limits", [{}, {"at_most": 1.0, "at_least": 0.0}])
def test_a_criterion_has_one_limit(limits):
    with pytest.raises(ValueError, match="one limit"):
        criterion(1, **limits)


def test_the_verdict_is_about_all_numbers_of_all_criteria():
    good, bad, mixed = criterion(1, 1, at_most=1.0), criterion(2, 2, at_most=1.0), criterion(1, 2, at_most=1.0)
    assert verdict([good, good]) == Verdict.REPRODUCED
    assert verdict([bad, bad]) == Verdict.NOT_REPRODUCED
    assert verdict([good, bad]) == verdict([mixed]) == verdict([mixed, good]) == Verdict.PARTLY
    assert verdict([good, criterion(at_most=1.0)]) == verdict([]) == Verdict.NOT_YET_RUN


def test_a_number_that_is_undecided_is_neither_kept_nor_failed():
    good, bad, none = criterion(1, at_most=1.0), criterion(2, at_most=1.0), criterion(math.nan, at_most=1.0)
    assert verdict([good, none]) == verdict([criterion(1, math.nan, at_most=1.0)]) == Verdict.PARTLY
    assert verdict([bad, none]) == Verdict.NOT_REPRODUCED
    assert verdict([none, none]) == Verdict.NOT_YET_RUN
    assert claims.kept([good, bad, none, none]) == "1 of 2, 2 undecided"
    assert claims.kept([none]) == "1 undecided"
    assert not Judgement(claim=CLAIMS[0], criteria=(criterion(1, math.nan, at_most=1.0),)).disagreeing


def test_limits_move_to_both_sides():
    for limit, lenient, strict in (({"at_most": 1.0}, 1.2, 0.8), ({"at_least": 1.0}, 0.8, 1.2)):
        inside = criterion(1.0, **limit)
        assert inside.shifted(0.25).passed == inside.passed == [True]
        assert inside.shifted(-0.25).passed == [False]
        assert criterion(lenient, **limit).passed == [False]
        assert criterion(lenient, **limit).shifted(0.25).passed == [True]
        assert criterion(strict, **limit).shifted(-0.1).passed == [True]


def test_no_limit_moves_to_what_says_nothing():
    share, ratio = criterion(0.5, at_least=2 / 3, null=0.5), criterion(1.0, at_most=0.8, null=1.0)
    assert share.shifted(0.25).at_least == pytest.approx(0.625)
    assert share.shifted(-0.25).at_least == pytest.approx(0.7083, abs=1e-4)
    assert ratio.shifted(0.25).at_most == pytest.approx(0.85)
    assert ratio.shifted(-0.25).at_most == pytest.approx(0.75)
    for each in (share, ratio):
        assert [each.shifted(amount).passed for amount in (-0.25, 0.0, 0.25, 0.99)] == [[False]] * 4


def test_a_verdict_on_whether_runs_grok_does_not_hang_on_its_limit(tmp_path, tiny_run, grokked_run):
    for run in (tiny_run, grokked_run):
        RunStore(tmp_path).put(run)
    evidence = Evidence(RunStore(tmp_path), seeds=(0,))
    for run, groks in ((tiny_run, False), (grokked_run, True)):
        for expected in (True, False):
            found = evidence.groks("it", lambda seed, run=run: [run.config], expected=expected)
            assert [each.value for each in found.values] == [float(groks)]
            assert [found.shifted(share).passed for share in (-0.25, 0.25)] == [[groks is expected]] * 2


def test_a_judgement_says_where_it_hangs_on_its_limits_and_where_seeds_disagree():
    of = lambda *criteria: Judgement(claim=CLAIMS[0], criteria=criteria)  # noqa: E731
    assert of(criterion(0.5, at_most=1.0)).elsewhere == {}
    assert of(criterion(0.9, at_most=1.0)).elsewhere == {"stricter": Verdict.NOT_REPRODUCED}
    assert of(criterion(1.1, at_most=1.0)).elsewhere == {"more lenient": Verdict.REPRODUCED}
    split, whole = criterion(0.5, 2.0, at_most=1.0), criterion(0.5, 0.6, at_most=1.0)
    assert of(split, whole).disagreeing == (split,)
    assert (of(split, whole).n, of(split, whole).seeds) == ((2, 2), "2")
    undecided = criterion(math.nan, 1.0, 1.0, at_most=1.0)
    assert of(undecided, criterion(1.0, at_most=1.0)).n == (1, 2)
    assert of(undecided, criterion(at_most=1.0)).seeds == "0 to 2"
    assert (of(split, whole).kept, of().kept) == ("3 of 4", "–")


def test_a_limit_is_told_in_plain_numbers():
    limits = [criterion(1, at_least=limit).limit for limit in (0.5, 2 / 3, 10.0, 0.25, 1 / 1.5)]
    assert limits == ["at least 0.5", "at least 2/3", "at least 10", "at least 0.25", "at least 2/3"]
    assert criterion(1, at_most=1.5).limit == "at most 1.5"


def test_no_claims_are_judged_but_those_asked_for(tmp_path):
    judged = claims.judge(RunStore(tmp_path), (0,), about=CLAIMS[7:9])
    assert [judgement.claim.name for judgement in judged] == ["C8", "C9"]


def test_counts_leave_out_verdicts_that_no_claim_has():
    of = lambda *criteria: Judgement(claim=CLAIMS[0], criteria=criteria)  # noqa: E731
    judgements = [of(criterion(1, at_most=1.0)), of(), of(criterion(2, at_most=1.0)), of()]
    assert claims.counted(judgements) == "1 reproduced, 1 not reproduced, 2 not yet run"
    assert claims.count(judgements)[Verdict.PARTLY] == 0


# --- numbers --------------------------------------------------------------------------------------


def test_a_share_of_cases_is_known_where_undecided_ones_do_not_matter(tiny_run):
    source, failed = ending(tiny_run, 10, 0), ending(tiny_run, None, 2000, best=0.5)
    grokked, near = ending(tiny_run, 500, None), ending(tiny_run, None, 2000, best=0.95)
    helps, none, may = [failed, grokked, source], [failed, failed, source], [failed, near, source]
    share = transfers._share_that_help
    assert share([*helps, *none, *none, *none], 0.5, True) == 0.25
    assert share([*helps, *none, *none, *may], 0.5, True) == 0.5, "at most a half, whatever becomes of it"
    assert share([*helps, *helps, *helps, *may], 0.5, True) == 0.75, "more than a half"
    assert math.isnan(share([*helps, *none, *may, *may], 0.5, True))
    assert share([*helps, *none, *none, *none], 0.5, False) == 1.0, "what learns nothing is no test"
    assert math.isnan(share([*helps, *none, *none, *may], 0.5, False))
    assert math.isnan(share([*none, *none], 0.5, False))


def test_a_run_that_ends_on_its_way_up_tells_neither(tiny_run, grokked_run):
    def best(accuracy):
        return grokked(with_history(tiny_run, step=[0, 30], train_accuracy=[1, 1], test_accuracy=[0, accuracy]))

    assert (grokked(tiny_run), grokked(grokked_run)) == (0, 1)
    assert best(0.85) == 0
    assert math.isnan(best(0.95))


def test_the_best_up_to_a_step(tiny_run):
    run = with_history(tiny_run, step=[0, 10, 20], test_accuracy=[0.1, 0.3, 0.2])
    assert [round(run.best_by(step), 6) for step in (0, 15, 20)] == [0.1, 0.3, 0.3]


# --- the claims -----------------------------------------------------------------------------------


def test_a_claim_is_its_function_with_the_sentence_above_its_criteria():
    @claim("§0", "elementary", "modulus", options="--p 31")
    def c0(evidence):
        """What the paper
        says.

        How it is judged.
        """

    assert c0[:4] == ("C0", "What the paper says.", "§0", ("elementary", "modulus"))
    assert c0.rerun == "grokbook sweep elementary modulus --p 31"


def test_claims_are_counted_from_one_on():
    names = [claim.name for claim in CLAIMS]
    assert names == [f"C{n}" for n in range(1, len(names) + 1)], "the next function is called by the next number"


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_the_command_of_a_claim_trains_every_run_it_needs(claim, tmp_path):
    asked = []

    class Asking(Evidence):
        def get(self, config):
            asked.append(config)

    criteria = list(claim.criteria(Asking(RunStore(tmp_path))))
    assert criteria
    assert verdict(criteria) == Verdict.NOT_YET_RUN
    trained = {config for name in claim.experiments for config in EXPERIMENTS[name].configs(seeds=SEEDS)}
    trained |= {config.source for config in trained if config.source is not None}  # a sweep trains these first
    assert set(asked) <= trained, [config.label for config in set(asked) - trained]
    assert {config.seed for config in asked} == set(SEEDS)
    assert len({each.what for each in criteria}) == len(criteria), "each criterion says something of its own"


def test_criteria_write_operations_as_figures_do(tmp_path):
    evidence = Evidence(RunStore(tmp_path), seeds=())
    said = [criterion.what for claim in CLAIMS for criterion in claim.criteria(evidence)]
    assert [what for what in said if re.search(r"[\^*]|[0-9ab)]-[0-9ab(]", what)] == []
    assert any("a²+ab+b²" in what for what in said)


def test_label_statistics_are_judged_by_the_paper_without_any_run(tmp_path):
    (claim,) = (claim for claim in CLAIMS if claim.name == "C21")
    auc, twins, *here = claim.criteria(Evidence(RunStore(tmp_path), seeds=(0, 3)))
    assert [value.seed for value in auc.values] == [0, 3]
    assert all(0 <= value.value <= 0.5 for value in auc.values)
    assert {value.value for value in twins.values} == {12 / 13}, "whatever the splits: all but a^3+ab^2+b"
    assert [criterion.values for criterion in here] == [(), ()]


@cache
def nothing_learned(p: int, n_operations: int, seed: int) -> tuple[Weights, Spectra]:
    """Initial weights and their spectra, which a run that learns nothing keeps."""
    config = RunConfig(operations=("a+b", "a-b", "a*b")[:n_operations], p=p, seed=seed)
    weights = initial_weights(config, {})
    rows = [
        layer.expand(2, -1) for layer in layers.spectra(model.of(config), weights.map(lambda w: w[None]), p).values()
    ]
    steps = torch.tensor([0, config.max_steps])
    return weights, Spectra(steps, *rows, steps[1:], untrained_maps(config)[None].float())


class NothingLearned(Evidence):
    """Every run that is asked for, as one that memorises its pairs and stays what it was otherwise."""

    def get(self, config):
        weights, spectra = nothing_learned(config.p, len(config.operations), config.seed)
        history = {name: [1.0, 1.0] for name in history_columns(config)} | {"step": [0, config.max_steps]}
        history |= {name: [1 / config.p] * 2 for name in history if name.startswith("test_accuracy")}
        return Run(config=config, history=pd.DataFrame(history), spectra=spectra, kept_weights=weights, provenance={})


def test_models_that_learn_nothing_keep_only_what_says_that_nothing_is_learned(tmp_path):
    evidence = NothingLearned(RunStore(tmp_path), seeds=(0,))
    judgements = [Judgement(claim=claim, criteria=tuple(claim.criteria(evidence))) for claim in CLAIMS]
    kept = {
        judgement.claim.name: [criterion.what for criterion in judgement.criteria if any(criterion.passed)]
        for judgement in judgements
    }
    fails, unmoved = kept["C8"] + kept["C13"] + kept["C20"], kept["C18"]
    assert fails == [
        "the same at r = 0.3: grokked (1) or not (0)",
        *(f"{pretty(name)} (does not factor): grokked (1) or not (0)" for name in NOT_FACTORIZABLE),
        *(f"a²+ab+b² at p = {p}, r = 0.9: grokked (1) or not (0)" for p in (59, 113)),
    ]
    assert len(unmoved) == 3, "that a layer does not change, and that nothing is learned, is what the claim says"
    assert all("by the paper" in what for what in kept["C21"])
    assert {name for name, each in kept.items() if each} == {"C8", "C13", "C18", "C20", "C21"}


class GrokkedUnchanged(NothingLearned):
    """The same with test accuracies of 1 from step 100 on, so that sentences about grokked models are judged."""

    def get(self, config):
        run = super().get(config)
        steps = [0, 100, 100 + config.sustain]
        history = {name: [1.0] * 3 for name in run.history} | {"step": steps}
        history |= {name: [1 / config.p, 1.0, 1.0] for name in history if name.startswith("test_accuracy")}
        return replace(run, history=pd.DataFrame(history))


def test_layers_of_a_random_start_keep_only_that_nothing_changes(tmp_path):
    evidence = GrokkedUnchanged(RunStore(tmp_path), seeds=(0,))
    about_spectra = [claim for claim in CLAIMS if claim.criteria.__module__ == spectral.__name__]
    kept = {
        claim.name: [criterion.what for criterion in claim.criteria(evidence) if any(criterion.passed)]
        for claim in about_spectra
    }
    dense = "FFS of {} at the end over its start"
    assert kept["C2"] == ["a−b: FFS of W_E over that of a+b"]
    assert kept["C3"] == [f"a·b: {dense.format(symbol)}" for symbol in ("W_E", "W_L")]
    assert kept["C12"] == [f"ab+a+b: {dense.format(symbol)}" for symbol in ("W_E", "W_L")]
    assert kept["C17"] == [
        what
        for n in range(2, 8)
        for what in (
            *([f"(a+b){superscript(n)}: FCR of W_E at the end over its start"] if n % 2 else []),
            f"(a+b){superscript(n)}: {dense.format('W_L')}",
        )
    ]
    assert len(kept["C18"]) == 2
    assert {name for name, each in kept.items() if each} == {"C2", "C3", "C12", "C17", "C18"}


def superscript(n):
    return pretty(f"a^{n}").removeprefix("a")


def test_evidence_takes_the_seeds_whose_runs_are_all_stored(tmp_path, tiny, tiny_run, grokked_run):
    store = RunStore(tmp_path)
    for run in (tiny_run, grokked_run):
        store.put(run)
    evidence = Evidence(store, seeds=(0, 1))
    one = evidence.criterion("steps", lambda seed: [tiny(seed=seed)], lambda run: run.steps, at_least=1.0)
    assert one.values == (Value(0, 30.0, None),)
    pair = lambda seed: [tiny(), replace(grokked_run.config, seed=seed)]  # noqa: E731
    both = evidence.criterion(
        "steps of both", pair, lambda a, b: a.steps + b.steps, start=lambda a, b: 0.0, at_least=1.0
    )
    assert both.values == (Value(0, 30.0 + grokked_run.steps, 0.0),)


class Stored(NothingLearned):
    """Runs on (p, seed) alone, with this grok step or none, in place of a store."""

    def __init__(self, found):
        self.found, self.seeds = found, (0, 1, 2)

    def get(self, config):
        kind = "source" if config.operations == ("a+b",) else "scratch" if config.source is None else "heir"
        if (kind, config.seed) not in self.found:
            return None
        return ending(super().get(config), self.found[kind, config.seed], config.max_steps, best=0.3)


def test_a_seed_without_a_run_from_scratch_tells_whether_it_groks_with_the_module():
    sources = {("source", seed): 5000 for seed in range(3)}
    both = {("scratch", 0): None, ("heir", 0): 4000}
    speed_up, groks, *_ = transfers.c14.criteria(Stored({**sources, **both, ("heir", 1): None, ("heir", 2): 900}))
    assert [(each.seed, each.value) for each in speed_up.values] == [(0, pytest.approx(25))]
    assert [(each.seed, each.value) for each in groks.values] == [(0, 1), (1, 0), (2, 1)]
    assert groks.passed == [True, False, True]


def test_numbers_that_need_weights_pass_over_runs_without(tmp_path, tiny, tiny_run):
    publish.publish(tiny_run, tmp_path)
    evidence = Evidence(RunStore(tmp_path), seeds=(0,))
    for weights, values in ((False, (Value(0, 30.0),)), (True, ())):
        found = evidence.criterion("x", lambda seed: [tiny()], lambda run: run.steps, at_least=1.0, weights=weights)
        assert found.values == values


def test_a_store_without_runs_decides_nothing(tmp_path):
    judgements = claims.judge(RunStore(tmp_path))
    undecided = [judgement for judgement in judgements if judgement.verdict == Verdict.NOT_YET_RUN]
    assert [judgement.claim for judgement in undecided] == list(CLAIMS)
    assert {judgement.n for judgement in judgements} == {(0, 0), (0, 3)}, "what the paper alone tells is there"
    json.dumps([judgement.to_dict() for judgement in judgements], allow_nan=False)


def test_the_command_prints_the_verdicts_of_the_published_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("GROKBOOK_STORE", str(tmp_path / "mine"))
    result = grokbook("claims")
    assert result.exit_code == 0, result.output
    assert "reproduced" in result.stdout.splitlines()[-1]
    found = {each["claim"]: each for each in json.loads(grokbook("claims", "--json").stdout)}
    assert list(found) == [claim.name for claim in CLAIMS]
    assert found["C1"]["verdict"] == "reproduced"
    (first, *_) = found["C1"]["criteria"]
    assert first["n"] >= 1
    assert first["spread"][0] <= first["median"] <= first["spread"][1] <= 0.5
    assert not (tmp_path / "mine").exists(), "nothing is trained"


def test_the_readme_has_the_count(tmp_path):
    counts = claims.counted(claims.judge(RunStore(tmp_path, [ROOT / "runs"])))
    n, (readme, intro) = len(CLAIMS), ((ROOT / name).read_text("utf8") for name in ("README.md", "book/intro.md"))
    sentence = f"the paper's {n} claims are: {counts}."
    assert sentence in readme, f"README.md should say: {sentence}"
    assert f"Of the paper's {n} claims" in intro, f"book/intro.md should count {n} claims"
