import math
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from same import assert_same_run
from schedule import walk
from small_models import TEXTBOOK_CASES, textbook_loss
from stacks import begins, fail_at_call, interrupt_at

from grokbook import Operation, RunStore, TrainingDiverged, data, fourier, model, runs, train
from grokbook.fourier import measures
from grokbook.model.compiled import steps_by
from grokbook.model.weights import EMBEDDING, TRANSFORMER, Weights
from grokbook.runs import grokking as schedule
from grokbook.runs import provenance
from grokbook.runs.initial import initial_weights
from grokbook.runs.run import DamagedRun
from grokbook.training import trainer
from grokbook.training.checkpoints import Checkpoints
from grokbook.training.devices import cpu_threads, resolve_device
from grokbook.training.engine import Stack
from grokbook.training.record import Record, observe
from grokbook.training.slots import ADVANCE_SECONDS
from grokbook.training.train import TextbookState, textbook_step
from grokbook.training.trainer import Trainer


def test_one_run_may_be_asked_for_without_a_list(tiny):
    config = tiny(max_steps=2)
    assert [run.config for run in train(config, "cpu", progress=False)] == [config]


def trained(*configs, **options):
    return train(configs, "cpu", **{"progress": False, **options})


# --- the textbook's step --------------------------------------------------------------------------


@pytest.mark.parametrize(("operations", "changes"), TEXTBOOK_CASES)
def test_a_textbook_step_is_one_of_pytorch_s_adamw_on_the_loss(tiny, operations, changes):
    config = tiny(*operations, **changes)
    table = data.make(config.parsed_operations, config.p, config.fraction, config.seed, config.operands)
    start = initial_weights(config, {}).map(torch.Tensor.double)
    leaves = start.map(lambda w: w.clone().requires_grad_())
    trained = [w for name, w in leaves._asdict().items() if name not in config.frozen_weights]
    optimiser = torch.optim.AdamW(trained, lr=config.lr, betas=config.betas, weight_decay=config.weight_decay)
    state = TextbookState.start(start)
    for step in range(1, 4):
        optimiser.zero_grad()
        textbook_loss(leaves, config).backward()
        optimiser.step()
        state = textbook_step(config, table, state)
        assert state.step == step
        for name, found, expected in zip(Weights._fields, state.weights, leaves, strict=True):
            torch.testing.assert_close(found, expected.detach(), rtol=1e-11, atol=1e-11, msg=name)


# --- devices --------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["banana", "tpu", "mps", "meta", "", "cpu,cuda", "cuda:-1"])
def test_unknown_devices_are_refused_before_any_work(tiny, no_training, device):
    with pytest.raises(ValueError, match=r"device"):
        train([tiny()], device)


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:7"])
def test_cuda_is_refused_where_there_is_none(tiny, no_training, monkeypatch, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ValueError, match="no such CUDA device"):
        train([tiny()], device)


def test_auto_is_cuda_where_there_is_one(monkeypatch):
    for available, expected in ((False, "cpu"), (True, "cuda")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda available=available: available)
        assert resolve_device("auto") == torch.device(expected)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("cuda:1") == torch.device("cuda:1")


# --- what is written down -------------------------------------------------------------------------


def test_the_same_config_gives_the_same_run(tiny, tiny_run):
    assert_same_run(trained(tiny())[0], tiny_run)


def test_another_seed_gives_another_run(tiny, tiny_run):
    other = trained(tiny(seed=1))[0]
    assert not torch.equal(other.weights.W_E, tiny_run.weights.W_E)
    assert not other.history.equals(tiny_run.history)


def test_training_does_not_depend_on_torch_s_global_seed(tiny, tiny_run):
    with torch.random.fork_rng():
        torch.manual_seed(12345)
        np.random.seed(6)
        assert_same_run(trained(tiny())[0], tiny_run)


def test_history_has_a_row_per_evaluation_and_the_promised_columns(tiny_run, tiny_mixture, grokked_run):
    for run in (tiny_run, tiny_mixture, grokked_run):
        assert tuple(run.history.columns) == runs.history_columns(run.config)
        steps = run.history["step"].tolist()
        assert steps == sorted(set(steps))
        assert set(run.history.dtypes.astype(str)) == {"int32", "float32"}
        assert np.isfinite(run.history.to_numpy()).all()
    assert tiny_run.history["step"].tolist() == walk(10, 30)
    assert "test_accuracy[ab+b]" in tiny_mixture.history
    assert not any("[" in column for column in tiny_run.history)


def test_training_memorises_the_training_pairs(tiny_run):
    first, last = tiny_run.history.iloc[0], tiny_run.history.iloc[-1]
    assert first["train_loss"] == pytest.approx(math.log(tiny_run.config.d_vocab), rel=0.2)
    assert last["train_accuracy"] > first["train_accuracy"] + 0.4
    assert last["train_loss"] < 0.5 * first["train_loss"]


def test_the_last_row_describes_the_final_weights(tiny_run, tiny_mixture):
    for run in (tiny_run, tiny_mixture):
        config, last = run.config, run.history.iloc[-1]
        layers = {"embedding": run.weights.W_E, "neuron_logit": model.neuron_logit_map(run.weights)}
        for layer, matrix in layers.items():
            for name, value in measures.recorded(fourier.spectrum(matrix[: config.p])).items():
                assert last[f"{name}_{layer}"] == pytest.approx(value, rel=1e-5)
        norm = math.sqrt(sum(float(w.square().sum()) for w in run.weights))
        assert last["weight_norm"] == pytest.approx(norm, rel=1e-5)
        table = data.make(config.parsed_operations, config.p, config.fraction, config.seed)
        for part, mask in (("train", table.train), ("test", ~table.train)):
            losses, accuracies = [], []
            for tokens, labels in zip(table.tokens, table.labels, strict=True):
                logits = model.logits(run.weights, tokens)[mask].double()
                losses.append(float(torch.nn.functional.cross_entropy(logits, labels[mask])))
                accuracies.append(float((logits.argmax(-1) == labels[mask]).double().mean()))
            assert last[f"{part}_loss"] == pytest.approx(sum(losses), rel=1e-4)
            assert last[f"{part}_accuracy"] == pytest.approx(np.mean(accuracies), rel=1e-6)
            for name, loss, accuracy in zip(config.operations, losses, accuracies, strict=True):
                if len(config.operations) > 1:
                    assert last[f"{part}_loss[{name}]"] == pytest.approx(loss, rel=1e-4)
                    assert last[f"{part}_accuracy[{name}]"] == pytest.approx(accuracy, rel=1e-6)


def test_spectra_are_recorded_on_their_schedules_and_at_the_end(tiny_run, grokked_run, tiny_mixture):
    for run in (tiny_run, grokked_run, tiny_mixture):
        p, last = run.config.p, run.steps
        for steps, per_decade in ((run.spectra.step, 16), (run.spectra.logits_step, 8)):
            scheduled = schedule.log_steps(per_decade, run.config.max_steps)
            assert steps.tolist() == sorted({step for step in scheduled if step <= last} | {last})
        assert run.spectra.embedding.shape == run.spectra.neuron_logit.shape == (len(run.spectra.step), p)
        assert run.spectra.logits.shape == (len(run.spectra.logits_step), len(run.config.operations), p, p)
        assert run.spectra.logits.dtype == torch.float16


def test_the_last_spectra_are_those_of_the_final_weights(tiny, tiny_run, tiny_mixture):
    vocab = trained(tiny("a*b", operands="vocab", fraction=0.3, max_steps=5))[0]
    for run in (tiny_run, tiny_mixture, vocab):
        p = run.config.p
        for found, matrix in (
            (run.spectra.embedding[-1], run.weights.W_E),
            (run.spectra.neuron_logit[-1], model.neuron_logit_map(run.weights)),
        ):
            expected = fourier.coefficients(matrix[:p]).norm(dim=1)
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
        tokens = data.make(run.config.parsed_operations, p, 0.5, 0).tokens
        for found, prompts in zip(run.spectra.logits[-1], tokens, strict=True):
            expected = fourier.spectrum_2d(model.logits(run.weights, prompts)[:, :p])
            torch.testing.assert_close(found.float(), expected, rtol=2e-3, atol=2e-3)


def test_the_first_spectra_are_those_of_the_initial_weights(tiny_run):
    start = initial_weights(tiny_run.config, {})
    expected = fourier.coefficients(start.W_E[: tiny_run.config.p]).norm(dim=1)
    torch.testing.assert_close(tiny_run.spectra.embedding[0], expected)


def test_weights_end_on_the_cpu_in_float32_without_gradient(tiny_run):
    assert {(w.dtype, w.device.type, w.requires_grad) for w in tiny_run.weights} == {(torch.float32, "cpu", False)}


# --- where a run ends -----------------------------------------------------------------------------


def test_a_run_that_groks_ends_a_tail_later(grokked_run):
    config = grokked_run.config
    assert grokked_run.grok_step is not None
    assert grokked_run.grok_step + config.sustain <= grokked_run.steps == grokked_run.grok_step + config.tail
    assert grokked_run.steps < config.max_steps
    assert grokked_run.provenance["stopped"] == "tail after grokking"


def test_a_run_that_does_not_ends_with_its_budget(tiny_run):
    assert tiny_run.grok_step is None
    assert tiny_run.steps == tiny_run.config.max_steps
    assert tiny_run.provenance["stopped"] == "step budget"


def record_of(config, test_accuracy: dict[int, float]) -> Record:
    record = Record(config)
    for step, accuracy in test_accuracy.items():
        append(record, step, accuracy)
    return record


def append(record: Record, step: int, test_accuracy: float) -> None:
    for name, values in record.history.items():
        values.append(float({"step": step, "test_accuracy": test_accuracy}.get(name, 1.0)))


def test_the_end_is_known_once_grokking_has_lasted(tiny):
    config = tiny(max_steps=1000, sustain=20, tail=50)
    record = record_of(config, {0: 0.0, 10: 0.995, 20: 0.99, 29: 1.0})
    assert (record.last_step, record.cut_short) == (1000, True)
    append(record, 30, 1.0)
    assert (record.last_step, record.cut_short) == (60, True)
    append(record, 40, 0.1)
    assert record.last_step == 60, "a later failure does not move the end"
    append(record, 60, 0.1)
    assert not record.cut_short


def test_the_tail_ends_with_the_budget_and_never_in_the_past(tiny):
    accuracies = {0: 0.0, 10: 1.0, 40: 1.0}
    assert record_of(tiny(max_steps=45, sustain=20, tail=50), accuracies).last_step == 45
    assert record_of(tiny(max_steps=1000, sustain=20, tail=5), accuracies).last_step == 40


def test_a_tail_that_the_budget_cuts_is_not_called_a_tail(tiny):
    run = trained(tiny("a^2", p=11, fraction=0.8, max_steps=400, sustain=30, tail=395))[0]
    assert run.grok_step is not None
    assert run.provenance["stopped"] == "step budget"


@pytest.mark.parametrize("threshold", [0.9, 0.95, 0.99, 0.7])
def test_the_stop_rule_and_the_stored_history_agree_to_the_last_bit(tiny, threshold):
    """Histories are stored in float32, where 0.9 is less than 0.9."""
    record = record_of(tiny(max_steps=1000, grok_accuracy=threshold), {0: 0.0, 10: threshold, 20: threshold})
    assert record.last_step == 20
    assert runs.grok_step(record.config, record.to_history()) == 10


# --- pre-grokked runs -----------------------------------------------------------------------------


def test_transplanted_weights_are_the_source_s_and_stay(tiny, tiny_run):
    for module in (EMBEDDING, TRANSFORMER):
        config = tiny("a-b", source=tiny_run.config, transplant=module)
        run = trained(config, sources=[tiny_run])[0]
        fresh = initial_weights(tiny("a-b"), {})
        for name in Weights._fields:
            value = getattr(run.weights, name)
            assert torch.equal(value, getattr(tiny_run.weights, name)) == (name in module), name
            assert not torch.equal(value, getattr(fresh, name)), name
        start = initial_weights(config, {tiny_run.config: tiny_run})
        rest = set(Weights._fields) - set(module)
        assert all(torch.equal(getattr(start, name), getattr(fresh, name)) for name in rest)


def test_a_frozen_embedding_keeps_its_spectrum(tiny_transfer):
    spectra = tiny_transfer.spectra
    assert torch.equal(spectra.embedding, spectra.embedding[:1].expand_as(spectra.embedding))
    assert not torch.equal(spectra.neuron_logit[0], spectra.neuron_logit[-1])


def test_a_random_embedding_can_be_frozen(tiny):
    run = trained(tiny(frozen=EMBEDDING, max_steps=5))[0]
    assert torch.equal(run.weights.W_E, initial_weights(tiny(), {}).W_E)


def test_sources_are_trained_first_once_and_handed_over(tiny):
    first = tiny("a+b", max_steps=3)
    second = tiny("a-b", max_steps=3, source=first, transplant=EMBEDDING)
    third = tiny("a*b", max_steps=3, source=second, transplant=TRANSFORMER)
    other = tiny("ab+b", max_steps=3, source=first, transplant=EMBEDDING)
    finished = []
    found = trained(third, other, third, on_finish=lambda run: finished.append(run.config))
    assert finished == [first, second, other, third], "one generation after the other"
    assert [run.config for run in found] == [third, other, third]
    assert torch.equal(found[1].weights.W_E, trained(first)[0].weights.W_E)


def test_given_sources_are_not_trained_again(tiny, tiny_run):
    finished = []
    config = tiny("a-b", max_steps=3, source=tiny_run.config, transplant=EMBEDDING)
    trained(config, tiny(), sources=[tiny_run], on_finish=lambda run: finished.append(run.config))
    assert finished == [config]


def test_initial_weights_depend_on_the_seed_alone(tiny):
    assert all(
        torch.equal(*pair)
        for pair in zip(initial_weights(tiny("a+b"), {}), initial_weights(tiny("a*b", fraction=0.3), {}), strict=True)
    )
    assert not torch.equal(initial_weights(tiny(), {}).W_E, initial_weights(tiny(seed=1), {}).W_E)


# --- interrupts, checkpoints, divergence ----------------------------------------------------------


@pytest.mark.parametrize("midway", [False, True])
@pytest.mark.parametrize("step", [1, 10, 20])
def test_a_resumed_run_equals_an_uninterrupted_one(tiny, tiny_run, tmp_path, monkeypatch, step, midway, saves_often):
    with monkeypatch.context() as context:
        interrupt_at(context, step, midway=midway)
        with pytest.raises(KeyboardInterrupt):
            trained(tiny(), checkpoints=tmp_path)
    assert [file.suffix for file in tmp_path.iterdir()] == [".safetensors"]
    begun = begins(monkeypatch)
    assert_same_run(trained(tiny(), checkpoints=tmp_path)[0], tiny_run)
    assert begun == [step], "the run went on from its checkpoint"
    assert not (tmp_path / f"{tiny().former_name}.safetensors").exists(), "a finished run is no longer in progress"


def test_a_resumed_run_keeps_its_clock(tiny, tmp_path, monkeypatch, saves_often):
    with monkeypatch.context() as context:
        interrupt_at(context, 20)
        with pytest.raises(KeyboardInterrupt):
            trained(tiny(), checkpoints=tmp_path)
    checkpoints = Checkpoints(tmp_path)
    state = checkpoints.load(tiny())
    state.record.seconds += 5000
    checkpoints.save(tiny(), state.step, state.tensors, state.record)
    facts = trained(tiny(), checkpoints=tmp_path)[0].provenance
    assert facts["wall_seconds"] > 5000
    assert facts["started"] == state.record.started


def test_a_run_begun_by_torch_goes_on_in_c(tiny, tiny_run, tmp_path, monkeypatch, saves_often):
    """Or by torch once more, where there is no C compiler."""
    with monkeypatch.context() as context, steps_by("torch"):
        interrupt_at(context, 20)
        with pytest.raises(KeyboardInterrupt):
            trained(tiny(), checkpoints=tmp_path)
    (run,) = trained(tiny(), checkpoints=tmp_path)
    assert run.provenance["cpu_step"] == tiny_run.provenance["cpu_step"]
    earlier = [facts["cpu_step"] for facts in run.provenance.get("earlier", [])]
    assert earlier == (["torch"] if run.provenance["cpu_step"] == "c" else [])
    np.testing.assert_allclose(run.history["train_loss"], tiny_run.history["train_loss"], rtol=1e-3)


def test_a_run_that_goes_on_elsewhere_remembers_where_it_was(tiny, tiny_run, tmp_path, monkeypatch, saves_often):
    here = provenance.describe(torch.device("cpu"))
    places = [{**here, "device": "one"}, {**here, "device": "one"}, {**here, "device": "another"}]
    for step, place in zip((10, 20, None), places, strict=True):
        with monkeypatch.context() as context:
            context.setattr(provenance, "describe", lambda _, place=place: place)
            if step is not None:
                interrupt_at(context, step)
                with pytest.raises(KeyboardInterrupt):
                    trained(tiny(), checkpoints=tmp_path)
                reached = Checkpoints(tmp_path).load(tiny()).step
            else:
                (run,) = trained(tiny(), checkpoints=tmp_path)
    assert run.provenance["device"] == "another"
    step_by = {"cpu_step": run.provenance["cpu_step"]}
    assert run.provenance["earlier"] == [{**here, **step_by, "device": "one", "until_step": reached}]
    assert "earlier" not in tiny_run.provenance
    assert_same_run(run, tiny_run)


def test_checkpoints_are_written_at_intervals(tiny, tmp_path, monkeypatch):
    run = tiny("a^2", p=11, fraction=0.8, max_steps=400, sustain=30, tail=50)  # groks: ends without a state
    monkeypatch.setattr(Checkpoints, "save", lambda *_: pytest.fail("saved within the first minute"))
    trained(run, checkpoints=tmp_path)


def test_training_goes_on_where_no_state_can_be_saved(tiny, tiny_run, tmp_path, monkeypatch, saves_often):
    def disk_full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(Checkpoints, "save", disk_full)
    with pytest.warns(UserWarning, match=r"the state of a\+b .* could not be saved: no space left"):
        (run,) = trained(tiny(), checkpoints=tmp_path)
    assert_same_run(run, tiny_run)


@pytest.mark.parametrize("damage", ["truncated", "empty", "of another shape", "of another optimiser"])
def test_a_damaged_checkpoint_is_named_and_refused(tiny, tmp_path, damage):
    config, other = tiny(), tiny(d_mlp=8) if damage == "of another shape" else tiny()
    stack = Stack([other], [initial_weights(other, {})], torch.device("cpu"))
    record = Record(other)
    record.add(0, observe(stack, [0])[0])
    tensors = stack.state(0)
    if damage == "of another optimiser":
        del tensors["optimiser.exp_avg"]
    Checkpoints(tmp_path).save(config, 0, tensors, record)
    (file,) = tmp_path.iterdir()
    if damage in ("truncated", "empty"):
        file.write_bytes(file.read_bytes()[: 200 if damage == "truncated" else 0])
    with pytest.raises(DamagedRun, match=r"delete it") as error:
        trained(config, checkpoints=tmp_path)
    assert str(file) in str(error.value)


# --- a larger budget ------------------------------------------------------------------------------


@pytest.mark.parametrize("budget", [10, 17, 20])
def test_a_larger_budget_goes_on_where_the_smaller_one_ended(tiny, tiny_run, tmp_path, monkeypatch, budget):
    trained(tiny(max_steps=budget), checkpoints=tmp_path)
    begun = begins(monkeypatch)
    assert_same_run(trained(tiny(), checkpoints=tmp_path)[0], tiny_run)
    assert begun == [budget]


def test_a_smaller_budget_starts_anew(tiny, tiny_run, tmp_path):
    trained(tiny(), checkpoints=tmp_path)
    short = trained(tiny(max_steps=17), checkpoints=tmp_path)[0]
    assert short.steps == 17
    assert_same_run(short, trained(tiny(max_steps=17))[0])


# --- divergence -----------------------------------------------------------------------------------


def test_a_loss_that_is_no_number_stops_the_run(tiny):
    config = tiny(lr=1e30)
    with pytest.raises(TrainingDiverged, match=r"loss nan.*at step 1 \(last finite at step 0\).*'lr': 1e\+30"):
        trained(config)


def test_a_loss_that_starts_as_nan_stops_the_run(tiny, monkeypatch):
    start = initial_weights(tiny(), {})
    start.W_E[0, 0] = math.nan
    monkeypatch.setattr(trainer, "initial_weights", lambda *_: start)
    with pytest.raises(TrainingDiverged, match="at step 0"):
        trained(tiny())


def test_a_divergence_does_not_stop_the_other_runs(tiny):
    finished = []
    with pytest.raises(TrainingDiverged, match="and 1 more"):
        trained(tiny(lr=1e30), tiny(max_steps=2), tiny(lr=2e30), on_finish=lambda run: finished.append(run.config))
    assert finished == [tiny(max_steps=2)], "one run's failure is not another's"


# --- reporting ------------------------------------------------------------------------------------


def test_progress_reports_the_outcome_unless_it_is_off(tiny, capsys):
    trained(tiny(max_steps=2), progress=True)
    assert capsys.readouterr().err.startswith(f"{tiny().label}: 2 steps in ")
    trained(tiny(max_steps=2))
    assert capsys.readouterr() == ("", "")


def test_provenance_says_how_the_run_went(tiny_run):
    facts = tiny_run.provenance
    assert {"commit", "device", "torch", "python", "started", "wall_seconds", "stopped"} <= set(facts)
    assert pd.Timestamp(facts["started"]).tzinfo is not None


def test_a_run_that_could_not_be_kept_keeps_its_checkpoint(tiny, tiny_run, tmp_path, saves_often):

    def full_disk(run):
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        train([tiny()], "cpu", on_finish=full_disk, checkpoints=tmp_path, progress=False)
    checkpoint = tmp_path / f"{tiny().former_name}.safetensors"
    assert checkpoint.exists()
    (again,) = train([tiny()], "cpu", checkpoints=tmp_path, progress=False)
    pd.testing.assert_frame_equal(again.history, tiny_run.history)
    assert not checkpoint.exists()


# --- stacks ---------------------------------------------------------------------------------------


@pytest.fixture
def mixture(tiny, tiny_run):
    """More runs than slots, of unequal lengths: one groks early, budgets differ, one has the label of another."""
    grokking = {"p": 11, "fraction": 0.8, "max_steps": 400, "sustain": 30, "tail": 50}
    return [
        tiny("a^2", **grokking),
        tiny("a+b", p=11, fraction=0.8, max_steps=37),
        tiny("b^2", seed=1, **grokking),
        tiny("a*b", p=11, fraction=0.8, max_steps=25, frozen=EMBEDDING),
        tiny("a+b", p=11, fraction=0.8, max_steps=60),
    ]


@pytest.fixture(params=[False, True], ids=["run by run", "shared operations"])
def shared(request, monkeypatch) -> bool:
    """Whether the runs of a stack share their operations, as on CUDA."""
    monkeypatch.setattr(trainer, "Stack", partial(Stack, shared=request.param))
    return request.param


def assert_as_alone(run, alone, shared) -> None:
    """The very same run; with shared operations the same for as long as rounding errors stay small."""
    if not shared:
        assert_same_run(run, alone)
        return
    assert run.history["step"].tolist() == alone.history["step"].tolist()
    assert run.spectra.step.tolist() == alone.spectra.step.tolist()
    assert run.grok_step == alone.grok_step
    early = run.history["step"] <= 20
    pd.testing.assert_frame_equal(run.history[early], alone.history[early], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("slots", [2, 3, 8])
def test_runs_trained_together_are_the_runs_trained_alone(mixture, slots, shared):
    together = trained(*mixture, slots=slots)
    for run, config in zip(together, mixture, strict=True):
        alone = trained(config)[0]
        assert run.config == config
        assert_as_alone(run, alone, shared)
        assert run.provenance["stacked"] >= 1
        assert "stacked" not in alone.provenance


def test_a_stack_shrinks_as_its_runs_end(mixture, shared, monkeypatch):
    sizes, keep = [], Stack.keep
    monkeypatch.setattr(Stack, "keep", lambda self, runs: (sizes.append(len(runs)), keep(self, runs)))
    trained(*mixture, slots=5)
    assert sizes == [3, 2, 1]


def test_runs_enter_where_regular_evaluations_fall_together(mixture, monkeypatch):
    """So that a stack stops for one evaluation and not for as many as it has runs."""
    entered, begin = [], Trainer._begin

    def watched(self, slots, slot, config, report):
        entered.append([slots.stack.steps[other] for other in slots.busy])
        begin(self, slots, slot, config, report)

    monkeypatch.setattr(Trainer, "_begin", watched)
    trained(*mixture, slots=2)
    assert len(entered) == 5
    assert any(sum(steps) for steps in entered), "some run entered while another was on its way"
    assert all(step % 10 == 0 for steps in entered for step in steps)


def test_runs_that_are_trained_together_are_handed_over_as_they_end(mixture):
    order = []
    trained(*mixture, slots=5, on_finish=lambda run: order.append(run.steps))
    assert order == sorted(order)
    assert len(order) == 5


def test_one_of_a_stack_may_diverge(tiny, monkeypatch, shared):
    good = [tiny(seed=seed, max_steps=12) for seed in range(3)]
    start = initial_weights

    def poisoned(config, sources):
        weights = start(config, sources)
        return weights.map(lambda w: w * math.nan) if config.seed == 1 else weights

    monkeypatch.setattr(trainer, "initial_weights", poisoned)
    finished = []
    with pytest.raises(TrainingDiverged, match="at step 0"):
        trained(*good, slots=3, on_finish=lambda run: finished.append(run.config.seed))
    assert finished == [0, 2]


def test_a_stack_that_is_interrupted_goes_on(mixture, tmp_path, monkeypatch, shared, saves_often):
    with monkeypatch.context() as context:
        fail_at_call(context, Stack, "advance", 25, KeyboardInterrupt)
        done = []
        with pytest.raises(KeyboardInterrupt):
            trained(*mixture, slots=3, checkpoints=tmp_path, on_finish=done.append)
    in_progress = [file.name for file in tmp_path.iterdir() if not file.name.startswith("ended-")]
    assert len(in_progress) == 3
    again = trained(*mixture, slots=3, checkpoints=tmp_path, sources=done)
    for run, config in zip(again, mixture, strict=True):
        assert_as_alone(run, trained(config)[0], shared)
    assert not [file for file in tmp_path.iterdir() if not file.name.startswith("ended-")]


def test_states_are_saved_about_once_a_minute_however_slow_the_steps(tiny, tmp_path, monkeypatch):
    """By a clock that every step winds forward by 7 seconds."""
    now, saved, advance = [0.0], [], Stack.advance

    def slow(self, steps):
        now[0] += 7.0 * steps
        advance(self, steps)

    monkeypatch.setattr(trainer.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(Stack, "advance", slow)
    monkeypatch.setattr(Checkpoints, "save", lambda *_: saved.append(now[0]))
    (run,) = trained(tiny(max_steps=100, eval_every=50), checkpoints=tmp_path)
    gaps = np.diff([0.0, *saved[:-1]])  # the last one is that of the end
    assert len(saved) == pytest.approx(100 * 7 / 70, abs=2)
    assert ((gaps > 60) & (gaps <= 60 + ADVANCE_SECONDS + 7)).all()
    assert_same_run(run, trained(tiny(max_steps=100, eval_every=50))[0])


def test_a_state_that_cannot_be_read_stops_its_own_run_only(tiny, tmp_path):
    (tmp_path / f"{tiny(seed=1).former_name}.safetensors").write_bytes(b"")
    finished = []
    for slots in (1, 2, 3):
        with pytest.raises(DamagedRun, match="cannot be read"):
            trained(
                *(tiny(seed=seed) for seed in range(3)), slots=slots, checkpoints=tmp_path, on_finish=finished.append
            )
    assert [run.config.seed for run in finished] == [0, 2] * 3


def test_where_a_run_cannot_be_kept_the_states_of_the_others_are(tiny, tmp_path):
    def full_disk(run):
        raise OSError("no space left on device")

    configs = [tiny(max_steps=12), tiny(seed=1), tiny(seed=2)]
    with pytest.raises(OSError, match="no space"):
        trained(*configs, slots=3, checkpoints=tmp_path, on_finish=full_disk)
    states = Checkpoints(tmp_path)
    assert [states.load(config).step for config in configs] == [12, 12, 12]


def test_norms_beyond_half_precision_are_kept_in_single(tiny):
    stack = Stack([tiny()], [initial_weights(tiny(), {})], torch.device("cpu"))
    (seen,) = observe(stack, [0])
    for factor, dtype in ((1.0, torch.float16), (1e7, torch.float32)):
        record = Record(tiny())
        record.add(0, seen._replace(logits=factor * seen.logits))
        spectra = record.to_run(stack.weights_of(0), {}).spectra
        assert spectra.logits.dtype == dtype
        assert spectra.logits.isfinite().all()


def test_a_run_computes_on_one_thread_unless_asked_otherwise(tiny, tmp_path):
    """Whatever the process has: several threads wait for each other wherever others want the same cores."""
    seen = []
    look = {"on_evaluation": lambda moment: seen.append(torch.get_num_threads()), "progress": False}
    with cpu_threads(3):
        (run,) = train([tiny()], "cpu", **look)
        RunStore(tmp_path).ensure([tiny(seed=1)], "cpu", **look)
        assert set(seen) == {1}
        assert run.provenance["threads"] == 1
        (run,) = RunStore(tmp_path).ensure([tiny(seed=2)], "cpu", threads=2, **look)
        assert (seen[-1], run.provenance["threads"]) == (2, 2)
        assert torch.get_num_threads() == 3
    with pytest.raises(ValueError, match="at least one CPU thread, not 0"):
        train([tiny()], "cpu", threads=0, progress=False)


def test_a_table_is_learned_as_the_polynomial_with_its_labels_is(grokked_run):
    """They have one op token, so that nothing tells them apart: both grok, by the same steps."""
    table = Operation.from_function("square", lambda a, _: a * a % 11, 11)
    (run,) = train([replace(grokked_run.config, operations=(table,))], "cpu", progress=False)
    assert run.grok_step == grokked_run.grok_step is not None
    pd.testing.assert_frame_equal(run.history, grokked_run.history)
    assert all(map(torch.equal, run.weights, grokked_run.weights))
