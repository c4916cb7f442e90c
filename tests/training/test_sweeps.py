import signal
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

import processes
import pytest
from commands import assert_short_error, grokbook
from processes import SERVER, Child
from same import assert_same_run

from grokbook import RunConfig, RunStore
from grokbook.cli import sweep
from grokbook.errors import RunsMissing
from grokbook.model.weights import EMBEDDING
from grokbook.paper import experiments
from grokbook.paper.experiments import EXPERIMENTS, Experiment
from grokbook.runs import outcomes, publish
from grokbook.runs.layout import WEIGHTS
from grokbook.runs.outcomes import Outcome
from grokbook.training import memory, stopping, sweeps, workers
from grokbook.training.checkpoints import Checkpoints
from grokbook.training.locks import RunLocks
from grokbook.training.sweeps import Sweep
from grokbook.training.workers import Done, Settings, train_task


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(sweeps, "WAIT_SECONDS", 0.01)
    monkeypatch.setattr(workers, "BUSY_SECONDS", 0.01)


class Inline(Executor):
    """Executes tasks as they are handed in, and remembers them. ``before`` may alter what a task is given."""

    def __init__(self, before: Callable[..., Settings] = lambda task, settings: settings) -> None:
        self.tasks: list[list[RunConfig]] = []
        self.stopped = False
        self._before = before

    def submit(self, function, /, *arguments):
        future = Future()
        if function is sweeps.device_of_worker:
            future.set_result(function())
            return future
        task, sources, settings, starts = arguments
        self.tasks.append(task)
        future.set_result(function(task, sources, self._before(task, settings), starts))
        return future

    def shutdown(self, wait=True, *, cancel_futures=False):
        self.stopped = True


def swept(configs: Sequence[RunConfig], store: RunStore, executor: Executor | None = None, **options) -> Sweep:
    """Sweep the configs, in this process unless there is an executor."""
    sweep = Sweep(store.missing(configs), store)
    sweep.run(lambda: executor or Inline(), **{"workers": 2, **options})
    assert sweep.left == []
    if store.path.exists():
        assert not list(store.states.glob("sweep-*")), "the token stayed"
    return sweep


def assert_as_alone(store: RunStore, configs: Sequence[RunConfig], tmp_path) -> None:
    """What is stored equals, to the last bit, what one process makes of it."""
    alone = RunStore(tmp_path / "alone").ensure(configs, "cpu", progress=False)
    for config, run in zip(configs, alone, strict=True):
        assert_same_run(store.get(config), run)


def no_executor(*_):
    pytest.fail("made an executor")


# --- what is missing ------------------------------------------------------------------------------


def test_what_is_stored_is_not_missing_and_sources_go_first(empty, tiny, tiny_run):
    heir = tiny("a-b", source=tiny(), transplant=EMBEDDING)
    other = tiny("a*b", source=tiny(seed=1), transplant=EMBEDDING)
    assert empty.missing([other, heir, other]) == [tiny(seed=1), other, tiny(), heir]
    empty.put(tiny_run)
    assert empty.missing([other, heir, tiny()]) == [tiny(seed=1), other, heir]


def test_sources_of_stored_runs_are_not_missing(empty, tiny_transfer):
    empty.put(tiny_transfer)
    assert empty.missing([tiny_transfer.config]) == []


# --- runs on local processes ----------------------------------------------------------------------


def test_eight_runs_on_two_processes_and_a_second_call_that_does_nothing(empty, tiny, tmp_path):
    configs = [
        tiny(operation, seed=seed, fraction=fraction)
        for operation, seed, fraction in (
            *(("a+b", 0, 0.6), ("a+b", 1, 0.6), ("a+b", 0, 0.4)),
            *(("a-b", 0, 0.6), ("a-b", 1, 0.5), ("a-b", 2, 0.4)),
            *(("a*b", 0, 0.6), ("a*b", 1, 0.4)),
        )
    ]
    said = []
    sweep = Sweep(empty.missing(configs), empty, said.append)
    sweep.run(lambda: workers.LocalExecutor(2), workers=2)
    assert (sweep.done, sweep.failed, sweep.left) == (dict.fromkeys(sweep.done, 30), {}, [])
    assert set(sweep.done) == set(configs)
    assert said[-1].startswith("8 of 8 runs done, 0 running, 0 failed")
    assert_as_alone(empty, configs, tmp_path)

    again = Sweep(empty.missing(configs), empty)
    again.run(no_executor, workers=2)
    assert (again.left, again.done, again.failed) == ([], {}, {})


def test_a_worker_that_dies_costs_its_run_little(empty, tiny, tmp_path):
    configs, log = [tiny(seed=seed) for seed in range(3)], tmp_path / "log.txt"
    pools = []

    def pool():
        pools.append(ProcessPoolExecutor(2, SERVER, processes.die_of, (log, 1, 1)))
        return pools[-1]

    sweep = Sweep(empty.missing(configs), empty)
    sweep.run(pool, workers=2)
    assert (set(sweep.done), sweep.failed, len(pools)) == (set(configs), {}, 2)
    lines = log.read_text().splitlines()
    assert lines.count("dies") == 1
    assert [line for line in lines if line.startswith("seed 1")] == ["seed 1 begins at 0", "seed 1 begins at 10"]
    assert_as_alone(empty, configs, tmp_path)


def test_a_source_without_weights_is_not_done_when_its_worker_dies(tmp_path, tiny, tiny_run):
    publish.publish(tiny_run, tmp_path / "published")
    store = RunStore(tmp_path / "mine", [tmp_path / "published"])
    heir = tiny("a-b", source=tiny_run.config, transplant=("W_E",))
    executors = [Inline(dies_at_once), Inline()]
    sweep = Sweep(store.missing([heir]), store)
    sweep.run(lambda: executors.pop(0), workers=1)
    assert set(sweep.done) == {tiny_run.config, heir}
    assert store.missing([heir]) == []


def test_a_source_without_weights_in_its_own_place_is_found_out_before_any_training(empty, tiny, tiny_run):
    publish.publish(tiny_run, empty.path)
    sweep = Sweep(empty.missing([tiny("a-b", source=tiny_run.config, transplant=("W_E",))]), empty)
    with pytest.raises(FileExistsError, match="lacks the weights that other runs start from"):
        sweep.run(pytest.fail, workers=1)


def test_a_sweep_that_others_have_done_meanwhile_has_nothing_to_do(empty, tiny_run):
    told = []
    sweep = Sweep([tiny_run.config], empty, told.append)
    empty.put(tiny_run)
    sweep.run(pytest.fail, workers=1)
    assert (sweep.left, sweep.done, told) == ([], {}, [])


def test_what_others_do_while_the_workers_are_made_is_not_done_again(empty, tiny_run):
    executor = Inline()

    def slow_start():
        empty.put(tiny_run)
        return executor

    sweep = Sweep([tiny_run.config], empty)
    sweep.run(slow_start, workers=1)
    assert (sweep.left, sweep.done, executor.tasks, executor.stopped) == ([], {}, [], True)


def dies_at_once(task, settings):
    raise BrokenExecutor("no worker")


def test_a_run_that_kills_its_workers_is_given_up_and_takes_no_other_with_it(empty, tiny, tmp_path):
    long = {"max_steps": 200, "sustain": 200, "tail": 200}
    configs, log = [tiny(seed=seed, **long) for seed in range(3)], tmp_path / "log.txt"
    sweep = Sweep(empty.missing(configs), empty)
    sweep.run(lambda: ProcessPoolExecutor(2, SERVER, processes.die_of, (log, 0, 99)), workers=2)
    assert sweep.failed == {configs[0]: "its worker died, 3 times"}
    assert set(sweep.done) == set(configs[1:])
    assert log.read_text().count("dies\n") == sweeps.MAX_ATTEMPTS
    assert_as_alone(empty, configs[1:], tmp_path)


def test_a_run_that_always_dies_with_another_is_not_given_up_for_it(empty, tiny):
    """Its last attempt is made while nothing else runs."""
    good, deadly, at_work = tiny(), tiny(seed=1), {}

    class Pool(Inline):
        """Workers that die together as soon as the deadly run is handed in; others take until they are looked at."""

        def submit(self, *call):
            future = Future()
            at_work[future] = call
            if call[1] == [deadly]:
                for each in at_work:
                    each.set_exception(BrokenProcessPool())
                at_work.clear()
            return future

    def look():
        for future, (function, *arguments) in at_work.items():
            future.set_result(function(*arguments))
        at_work.clear()
        return 2

    sweep = Sweep([good, deadly], empty)
    sweep.run(Pool, workers=look)
    assert (list(sweep.done), sweep.failed) == ([good], {deadly: "its worker died, 3 times"})


def test_workers_that_come_later_are_given_work(empty, tiny):
    class Slow(Inline):
        """Executes its first task once others have come."""

        def submit(self, *arguments):
            if self.tasks:
                future = super().submit(*arguments)
                if not waiting[0].done():
                    waiting[0].set_result([Done(tiny(), error="given up")])
                return future
            self.tasks.append(arguments[1])
            return waiting[0]

    waiting, at_a_time = [Future()], iter([1, 1, 2, 2, 2])
    sweep = swept([tiny(), tiny(seed=1)], empty, Slow(), workers=lambda: next(at_a_time))
    assert set(sweep.done) == {tiny(seed=1)}


def test_workers_that_are_found_dead_are_replaced(empty, tiny):
    class Dead(Inline):
        def submit(self, *_):
            raise BrokenProcessPool

    executors = [Dead(), Inline()]
    pending = iter(executors)
    sweep = Sweep([tiny(), tiny(seed=1)], empty)
    sweep.run(lambda: next(pending), workers=2)
    assert set(sweep.done) == {tiny(), tiny(seed=1)}
    assert [executor.stopped for executor in executors] == [True, True]


@pytest.mark.parametrize("number", [*stopping.SIGNALS, signal.SIGKILL], ids=lambda number: number.name)
def test_workers_end_with_their_sweep(tmp_path, number):
    store, output = RunStore(tmp_path / "runs"), tmp_path / "output.txt"
    wanted = ("--p", "5", "--fraction", "0.5", "--seed", "0", "--max-steps", "1000000")
    with Child(processes.command, output, store.path, "sweep", "elementary", *wanted, "--workers", "2") as child:
        processes.wait_until(lambda: not child.process.is_alive() or len(list(store.states.glob("*.lock"))) == 2)
        locks = {file.stem for file in store.states.glob("*.lock")}
        child.signal(number)
        assert child.end() == (-number if number == signal.SIGKILL else 128 + number)
    said = output.read_text()
    assert "Traceback" not in said
    if number != signal.SIGKILL:
        assert "grokbook: interrupted: 0 of 3 runs done, 2 running, 0 failed" in said
        assert said.strip().endswith("repeat the command to go on.")
    configs = EXPERIMENTS["elementary"].configs(moduli=[5], fractions=[0.5], seeds=[0], max_steps=1_000_000)
    begun = [config for config in configs if config.hash in locks]
    assert len(begun) == 2
    for config in begun:  # workers that train on keep their locks
        processes.wait_until(lambda config=config: RunLocks(store.lock).take(config))


# --- what can go wrong with a run -----------------------------------------------------------------


def test_a_run_that_fails_is_reported_and_stops_no_other(empty, tiny):
    bad, good = tiny(lr=1e30), [tiny(seed=1), tiny(seed=2)]
    sweep = swept([bad, *good], empty)
    assert list(sweep.done) == good
    assert list(sweep.failed) == [bad]
    assert "'lr': 1e+30" in sweep.failed[bad]
    assert sweep.status().startswith("2 of 3 runs done, 0 running, 1 failed")


def test_heirs_are_trained_after_their_sources(empty, tiny, tmp_path):
    source = tiny()
    heir = tiny("a-b", source=source, transplant=EMBEDDING)
    second = tiny("a*b", source=heir, transplant=EMBEDDING)
    executor = Inline()
    sweep = swept([second, tiny(seed=1)], empty, executor)
    assert sorted(executor.tasks, key=len) == executor.tasks
    order = [task[0] for task in executor.tasks]
    assert order.index(source) < order.index(heir) < order.index(second)
    assert set(sweep.done) == {source, heir, second, tiny(seed=1)}
    assert_as_alone(empty, [second, heir], tmp_path)


def test_an_heir_waits_until_its_source_is_stored(empty, tiny):
    """Its source may be in the hands of a worker for hours: others go first."""
    source, other = tiny(), tiny(seed=1)
    heir = tiny("a-b", source=source, transplant=EMBEDDING)
    sweep = Sweep(empty.missing([heir, other]), empty)
    assert sweep._next_task("cpu", 1) == [source]
    assert sweep._next_task("cpu", 1) == [other]
    assert sweep._next_task("cpu", 1) == []
    assert sweep.left == [heir]


def test_the_heir_of_a_source_that_failed_is_reported_too(empty, tiny):
    source = tiny(lr=1e30)
    heir = tiny("a-b", source=source, transplant=EMBEDDING)
    second = tiny("a*b", source=heir, transplant=EMBEDDING)
    sweep = swept([second, tiny(seed=1)], empty)
    assert list(sweep.done) == [tiny(seed=1)]
    assert list(sweep.failed) == [source, heir, second]
    assert sweep.failed[heir] == f"its source failed: {sweep.failed[source]}"
    assert sweep.failed[second].startswith("its source failed: its source failed: train loss")


def test_the_heir_of_a_damaged_source_is_reported(empty, tiny, tiny_run):
    (empty.put(tiny_run) / WEIGHTS).write_bytes(b"")
    heir = tiny("a-b", source=tiny(), transplant=EMBEDDING)
    sweep = swept([heir, tiny(seed=1)], empty)
    assert list(sweep.done) == [tiny(seed=1)]
    assert sweep.failed[heir].startswith(f"its source is damaged: {empty.path / tiny().name / WEIGHTS}: ")


def test_a_damaged_checkpoint_is_reported_and_stops_no_other(empty, tiny):
    empty.states.mkdir(parents=True)
    file = empty.states / f"{tiny().former_name}.safetensors"
    file.write_bytes(b"")
    sweep = swept([tiny(), tiny(seed=1)], empty)
    assert list(sweep.done) == [tiny(seed=1)]
    assert sweep.failed[tiny()].startswith(f"the checkpoint {file} cannot be read")
    assert RunLocks(empty.lock).take(tiny()), "the lock was not given back"


def test_a_failure_of_the_executor_is_a_failure_of_its_run(empty, tiny):
    """Dask says so of a task over which workers died again and again."""

    class Killed(Inline):
        def submit(self, function, /, task, *rest):
            if task != [tiny()]:
                return super().submit(function, task, *rest)
            future = Future()
            future.set_exception(RuntimeError("worker killed"))
            return future

    sweep = swept([tiny(), tiny(seed=1)], empty, Killed())
    assert sweep.failed == {tiny(): "RuntimeError: worker killed"}
    assert list(sweep.done) == [tiny(seed=1)]


def test_ctrl_c_says_how_to_go_on(empty, tiny):
    def interrupt(task, settings):
        if task == [tiny(seed=1)]:
            raise KeyboardInterrupt
        return settings

    executor = Inline(interrupt)
    with pytest.raises(KeyboardInterrupt, match=r"interrupted: .*0 failed.*repeat the command to go on") as error:
        swept([tiny(), tiny(seed=1)], empty, executor, workers=1)
    assert str(empty.path) in str(error.value)
    assert executor.stopped
    assert not list(empty.states.glob("sweep-*"))
    assert list(swept([tiny(), tiny(seed=1)], empty).done) == [tiny(seed=1)]


# --- where runs are kept --------------------------------------------------------------------------


def test_workers_that_share_the_store_keep_their_runs_there(empty, tiny, tiny_run):
    results = []

    class Noted(Inline):
        def submit(self, *arguments):
            results.extend((future := super().submit(*arguments)).result())
            return future

    swept([tiny()], empty, Noted())
    assert results == [Done(tiny(), steps=30)]
    assert_same_run(empty.get(tiny()), tiny_run)


@pytest.fixture
def elsewhere(tmp_path) -> Inline:
    """Workers on another machine: they see no store."""
    place = tmp_path / "another machine"

    def before(task, settings):
        assert not place.exists(), "the worker wrote to its disk"
        return settings._replace(store=str(place))

    return Inline(before)


def test_workers_that_do_not_share_the_store_hand_their_runs_over(empty, tiny, tmp_path, elsewhere):
    heir = tiny("a-b", source=tiny(), transplant=EMBEDDING)
    assert set(swept([heir], empty, elsewhere).done) == {tiny(), heir}
    assert_as_alone(empty, [tiny(), heir], tmp_path)


def test_a_folder_of_the_same_name_is_not_the_store(empty, tiny, tmp_path):
    other = RunStore(tmp_path / "other")
    other.states.mkdir(parents=True)
    swept([tiny()], empty, Inline(lambda task, settings: settings._replace(store=str(other.path))))
    assert list(other.folders()) == []
    assert tiny() in empty


def test_a_run_that_cannot_be_kept_is_reported_and_stops_no_other(empty, tiny, elsewhere, monkeypatch):
    put = RunStore.put

    def full(self, run):
        if run.config == tiny():
            raise OSError("cannot store a+b: No space left on device")
        return put(self, run)

    monkeypatch.setattr(RunStore, "put", full)
    sweep = swept([tiny(), tiny(seed=1)], empty, elsewhere)
    assert sweep.failed == {tiny(): "cannot store a+b: No space left on device"}
    assert list(sweep.done) == [tiny(seed=1)]


@pytest.mark.parametrize("ending", ["stored", "killed"])
def test_a_run_that_another_process_trains_is_waited_for(empty, tiny, tiny_run, ending):
    with RunLocks(empty.lock) as others:
        assert others.take(tiny())

        def before(task, settings):
            if task == [tiny()] and executor.tasks.count(task) == 3:
                if ending == "stored":
                    empty.put(tiny_run)
                others.give_back(tiny())
            return settings

        executor = Inline(before)
        sweep = swept([tiny(), tiny(seed=1)], empty, executor)
    assert sweep.failed == {}
    assert set(sweep.done) == ({tiny(seed=1)} if ending == "stored" else {tiny(), tiny(seed=1)})
    assert executor.tasks[:2] == [[tiny()], [tiny(seed=1)]], "others go on meanwhile"
    assert_same_run(empty.get(tiny()), tiny_run)


def test_a_store_that_forbids_training_is_obeyed(empty, tiny):
    store = RunStore(empty.path, stored_only=True)
    with pytest.raises(RunsMissing, match="1 runs are not stored"):
        Sweep([tiny()], store).run(no_executor, workers=1)


def test_without_workers_it_waits_and_says_so(empty, tiny):
    said, asked = [], []

    def at_a_time():
        asked.append(len(asked))
        return 0 if len(asked) < 4 else 1

    sweep = Sweep([tiny()], empty, said.append)
    sweep.run(Inline, workers=at_a_time, device="auto")
    assert said[0] == "0 of 1 runs done, 0 running, 0 failed; waiting: there are no workers"
    assert said[-1].startswith("1 of 1 runs done, 0 running, 0 failed")
    assert len(said) == 2, "it says so once"


def test_workers_of_a_sweep_that_has_gone_stop_at_the_next_state(empty, tiny, monkeypatch, saves_often):
    empty.states.mkdir(parents=True)
    token = empty.states / "sweep-token"
    token.touch()
    save, saved = Checkpoints.save, []

    def ended(self, config, step, *rest):
        save(self, config, step, *rest)
        saved.append(step)
        if len(saved) == 3:
            token.unlink()

    monkeypatch.setattr(Checkpoints, "save", ended)
    monkeypatch.setattr(workers, "ASK_SECONDS", 0.0)
    with ThreadPoolExecutor(1) as executor:  # as Dask has it
        future = executor.submit(train_task, [tiny()], {}, Settings("cpu", str(empty.path), token.name))
        (told,) = future.result()
    assert "the sweep that asked for this run has ended" in told.error
    assert Checkpoints(empty.states).load(tiny()).step == saved[-1] < 30
    assert len(saved) == 4, "at once"


# --- tasks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("device", "workers", "sizes"),
    [("cpu", 1, [1] * 6), ("cpu", 4, [1] * 6), ("cuda:1", 1, [5, 1]), ("cuda", 2, [3, 1, 1, 1]), ("cuda", 9, [1] * 6)],
)
def test_runs_that_stack_go_to_gpus_together_in_equal_shares(empty, tiny, device, workers, sizes):
    sweep = Sweep([tiny(), tiny(fraction=0.4), *(tiny("a-b", seed=seed) for seed in range(4))], empty)
    tasks = []
    while task := sweep._next_task(device, workers):
        tasks.append(task)
    assert [len(task) for task in tasks] == sizes
    assert [tiny(fraction=0.4)] in tasks


def test_the_device_auto_is_that_of_a_worker(empty, tiny, monkeypatch):
    monkeypatch.setattr(sweeps, "device_of_worker", lambda: "cpu")
    devices = []
    executor = Inline(lambda task, settings: devices.append(settings.device) or settings)
    Sweep([tiny()], empty).run(lambda: executor, workers=1, device="auto")
    assert devices == ["cpu"]


def test_a_stack_with_a_damaged_state_loses_that_run_alone(empty, tiny, monkeypatch):
    empty.states.mkdir(parents=True)
    (empty.states / f"{tiny(seed=1).former_name}.safetensors").write_bytes(b"")
    monkeypatch.setattr(memory, "slots", lambda config, device: 2)
    (empty.states / "token").touch()
    configs = [tiny(seed=seed) for seed in range(4)]
    told = train_task(configs, {}, Settings("cpu", str(empty.path), "token"))
    assert [bool(done.error) for done in told] == [False, True, False, False]
    assert [done.steps for done in told] == [30, 0, 30, 30]
    assert "cannot be read" in told[1].error
    assert [config in empty for config in configs] == [True, False, True, True]


def test_no_run_is_handed_out_once_nothing_can_be_stored(empty, tiny, monkeypatch):
    def full_disk(self):
        if any(config in self for config in (tiny(), tiny(seed=1))):
            raise OSError("no space left on device")

    monkeypatch.setattr(RunStore, "check", full_disk)
    with pytest.raises(OSError, match="no space"):
        swept([tiny(), tiny(seed=1)], empty)
    assert [tiny() in empty, tiny(seed=1) in empty] == [True, False]


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def few(tiny, monkeypatch) -> list[RunConfig]:
    """An experiment of two runs, one of which fails; trained in this process."""
    configs = [tiny(), tiny(lr=1e30)]

    class Few(Experiment):
        def configs(self, *, seeds=(), **_):
            return [replace(config, seed=seed) for seed in seeds or [0] for config in configs]

    monkeypatch.setattr(experiments, "EXPERIMENTS", {"few": Few("Fig 0")})
    monkeypatch.setattr(workers, "LocalExecutor", lambda workers: Inline())
    return configs


def test_sweep_reports_failures_with_their_configs_and_exits_with_1(mine, few):
    result = grokbook("sweep", "few", "--workers", "1", "--device", "cpu")
    assert result.exit_code == 1
    first, *_, last = result.stdout.splitlines()
    assert first == "2 runs, 2 to train"
    assert last == "1 of 2 runs done, 0 running, 1 failed"
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith(f"grokbook: {few[1].label} failed: train loss")
    assert "'lr': 1e+30" in line
    assert few[0] in mine


def test_sweep_does_nothing_a_second_time(mine, tiny_run, few, monkeypatch):
    few.pop(1)
    mine.put(tiny_run)
    monkeypatch.setattr(workers, "LocalExecutor", no_executor)
    result = grokbook("sweep", "few")
    assert (result.exit_code, result.output) == (0, "1 runs, 0 to train\n")


@pytest.mark.parametrize(
    ("endings", "table", "first"),
    [
        (True, "few", "2 runs, 0 to train"),
        (False, "few", "2 runs, 1 to train"),
        (True, "others", "2 runs, 1 to train"),
    ],
)
def test_where_only_ends_count_a_row_of_the_table_stands_for_a_run(
    mine,
    tiny_run,
    few,
    monkeypatch,
    endings,
    table,
    first,
):
    few[1] = replace(tiny_run.config, max_steps=tiny_run.config.max_steps - 1, tail=tiny_run.config.tail + 1)
    monkeypatch.setitem(experiments.EXPERIMENTS, "few", experiments.EXPERIMENTS["few"]._replace(endings=endings))
    outcomes.write([Outcome.of(tiny_run)], outcomes.table_path(mine.path, table))
    result = grokbook("sweep", "few", "--workers", "1", "--device", "cpu")
    assert result.stdout.splitlines()[0] == first
    assert all(config in mine for config in few) == (not first.endswith(" 0 to train"))


def test_a_dry_run_prints_the_plan_and_trains_nothing(mine, monkeypatch):
    monkeypatch.setattr(workers, "LocalExecutor", no_executor)
    wanted = ("--p", "5", "--p", "7", "--fraction", "0.5", "--max-steps", "1000", "--workers", "2", "--device", "cpu")
    result = grokbook("sweep", "elementary", "random-embedding", "--dry-run", *wanted)
    assert result.exit_code == 0, result.output
    first, *table, last = result.stdout.strip().splitlines()
    assert first == "36 runs, 36 to train"  # 3 operations, 2 moduli, 3 seeds, with and without
    rows = [line.split() for line in table if line.strip() and line.strip()[0].isdigit()]
    assert [row[:5] for row in rows] == [["5", "0.5", "1", "18", "18,000"], ["7", "0.5", "1", "18", "18,000"]]
    assert last.startswith("about ")
    assert last.endswith("with 2 workers on cpu if no run groks, 72 MB")
    assert not mine.path.exists()


def test_a_sweep_takes_fields_of_its_configs(mine, monkeypatch):
    monkeypatch.setattr(workers, "LocalExecutor", no_executor)
    asked: list[RunConfig] = []
    monkeypatch.setattr(sweep, "_print_estimate", lambda left, *_: asked.extend(left))
    at = ("--p", "5", "--fraction", "0.5", "--seed", "0", "--max-steps", "100", "--dry-run")
    result = grokbook("sweep", "pregrokked-elementary", *at, "--set", "model=separate", "--set", "lr=0.01")
    assert result.exit_code == 0, result.output
    assert len(asked) == 24  # three sources with their budgets, three from scratch, and 2 × 9 transfers
    for config in (*asked, *(config.source for config in asked if config.source is not None)):
        assert (config.model, config.lr) == ("separate", 0.01)


def test_sweep_refuses_fields_that_it_cannot_set(mine):
    for text, message in {
        "seed=3": "--set seed=3: not here; it has an option of its own",
        "frozen=W_E": "--set frozen=W_E: not here; it is what the experiment is about",
        "model=mpl": "unknown model 'mpl'; the nearest is 'mlp'",
        "modle=mlp": "no field 'modle'; the nearest is 'model'",
    }.items():
        assert_short_error(grokbook("sweep", "elementary", "--set", text), 2, message)
    mixed = grokbook("sweep", "mixture-elementary", "--set", "model=mlp")
    assert_short_error(mixed, 2, "model 'mlp' learns one operation")
    assert not mine.path.exists()


def test_sweep_refuses_what_it_does_not_know(mine):
    assert grokbook("sweep", "elementary", "--workers", "0").exit_code == 2
    assert_short_error(grokbook("sweep", "elementary", "--all"), 2, "leave out elementary")
    dry = grokbook("sweep", "elementary", "--dry-run", "--scheduler", "tcp://localhost:1")
    assert_short_error(dry, 2, "measures this machine", "--scheduler")
    assert_short_error(grokbook("sweep", "elementry"), 2, "no experiment 'elementry'; did you mean", "elementary")
    assert_short_error(grokbook("sweep"), 2, "name an experiment, or --all", "--list")
    assert_short_error(grokbook("sweep", "elementary", "--p", "91"), 2, "prime", "91")
    assert not mine.path.exists()


def test_sweep_lists_experiments_and_what_is_stored(mine, tiny_run, few):
    mine.put(tiny_run)
    (row,) = [line.split() for line in grokbook("sweep", "--list").stdout.splitlines() if "few" in line]
    assert row == ["few", "Fig", "0", "2", "1"]


def test_an_heir_takes_a_source_that_was_asked_for_with_another_budget(empty, tiny, grokked_run):
    empty.put(grokked_run)
    source = replace(grokked_run.config, max_steps=grokked_run.config.max_steps + 1)
    sizes = {name: getattr(source, name) for name in ("p", "fraction")}
    heir = tiny("a*b", source=source, transplant=EMBEDDING, **sizes)
    sweep = Sweep(empty.missing([heir]), empty)
    assert sweep.left == [heir]
    sweep.run(lambda: Inline(), workers=1)
    assert (set(sweep.done), sweep.failed) == ({heir}, {})


def test_an_heir_whose_source_has_gone_further_meanwhile_fails_alone(empty, tiny):
    source, further = tiny(max_steps=20), tiny(max_steps=40)
    heir = tiny("a-b", source=source, transplant=EMBEDDING)
    sweep = Sweep([further, source, heir], empty)
    sweep.run(lambda: Inline(), workers=1)
    assert set(sweep.done) == {further}
    assert "has those of a later step" in sweep.failed[source]
    assert "its source failed" in sweep.failed[heir]
