"""Sweeps on a Dask cluster of real processes. Its threads and warnings stay out of the process that tests."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import processes
import psutil
import pytest
from checkout import ROOT
from commands import grokbook
from processes import Child
from same import assert_same_run

from grokbook import RunStore
from grokbook.paper.experiments import EXPERIMENTS

pytestmark = pytest.mark.xdist_group("cluster")

TESTS = ROOT / "tests"


def local_options() -> list[str]:
    """The options with which the page "Run it yourself" has a cluster listen on its own machine alone."""
    page = (ROOT / "book" / "run_it_yourself.md").read_text(encoding="utf-8")
    return re.search(r'^local="(.+)"$', page, re.MULTILINE)[1].split()


def dask(stack: ExitStack, place: Path, *arguments: str, first: str = "") -> None:
    """Start a part of a cluster, after some code of the tests' own; it is killed when the stack is closed."""
    log = stack.enter_context((place / "cluster.txt").open("ab"))
    code = f"{first}\nfrom dask.__main__ import main\nmain()"
    command = [sys.executable, "-c", code, *arguments, *local_options()]
    command += ["--scheduler-file", str(place / "scheduler.json")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (TESTS, TESTS.parent)))}
    process = subprocess.Popen(command, cwd=place, env=environment, stdout=log, stderr=log)
    stack.callback(process.wait)
    stack.callback(process.kill)


@pytest.fixture
def cluster(tmp_path) -> Iterator[Path]:
    """A folder with the log of a scheduler and two workers; the first to come to step 10 of seed 1 kills itself."""
    place = tmp_path / "cluster"
    place.mkdir()
    deadly = f"import pathlib, processes; processes.die_of(pathlib.Path({str(place / 'runs.txt')!r}), 1, 1)"
    worker = ("worker", "--nthreads", "1", "--no-nanny", "--memory-limit", "0", "--local-directory", str(place))
    with ExitStack() as stack:
        dask(stack, place, "scheduler", "--port", "0")
        for _ in range(2):
            dask(stack, place, *worker, first=deadly)
        yield place


def test_a_sweep_survives_the_death_of_a_worker(mine, tmp_path, cluster):
    output = tmp_path / "output.txt"
    wanted = ("--p", "5", "--fraction", "0.5", "--seed", "0", "--seed", "1", "--max-steps", "40", "--device", "cpu")
    scheduler = ("--scheduler", address(cluster))
    with Child(processes.command, output, mine.path, "sweep", "elementary", *wanted, *scheduler) as child:
        code = child.end()
    said = output.read_text() + (cluster / "cluster.txt").read_text()
    assert code == 0, said
    assert listening(cluster) == {"127.0.0.1"}
    assert "6 of 6 runs done, 0 running, 0 failed" in output.read_text()
    lines = (cluster / "runs.txt").read_text().splitlines()
    assert lines.count("dies") == 1
    assert lines.count("seed 1 begins at 10") == 1, "it went on where the dead worker was"
    configs = EXPERIMENTS["elementary"].configs(moduli=[5], fractions=[0.5], seeds=[0, 1], max_steps=40)
    for config, run in zip(configs, RunStore(tmp_path / "alone").ensure(configs, "cpu", progress=False), strict=True):
        assert_same_run(mine.get(config), run)


def listening(cluster: Path) -> set[str]:
    """The addresses on which the processes of the cluster listen, dashboards included."""
    alive = [each for each in psutil.Process().children() if each.status() != psutil.STATUS_ZOMBIE]
    own = [each for each in alive if str(cluster / "scheduler.json") in each.cmdline()]
    assert len(own) == 2, "a scheduler, and the worker that has not killed itself"
    sockets = [socket for each in own for socket in each.net_connections("inet")]
    return {socket.laddr.ip for socket in sockets if socket.status == psutil.CONN_LISTEN}


def address(cluster: Path) -> str:
    """The scheduler's, once it has said it and two workers have come."""
    log, file = cluster / "cluster.txt", cluster / "scheduler.json"
    processes.wait_until(lambda: log.read_text().count("Register worker") == 2 or "Traceback" in log.read_text())
    return json.loads(file.read_text())["address"]


def test_a_scheduler_that_does_not_answer_is_one_line(mine, tmp_path):
    output = tmp_path / "output.txt"
    nobody = ("sweep", "elementary", "--p", "5", "--scheduler", "tcp://127.0.0.1:9")
    with Child(processes.impatient_command, output, mine.path, *nobody) as child:
        assert child.end() == 2
    plan, error = output.read_text().strip().splitlines()
    assert plan == "9 runs, 9 to train"
    assert error.startswith("grokbook: ")
    assert "tcp://127.0.0.1:9" in error
    assert not mine.path.exists()


def test_what_comes_with_an_extra_is_named_where_it_is_missing(mine, monkeypatch):
    monkeypatch.setenv("GROKBOOK_STORE", str(mine.path))
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "grokbook.training.cluster", raising=False)
    result = grokbook("sweep", "elementary", "--p", "5", "--scheduler", "tcp://127.0.0.1:9")
    assert result.exit_code == 2
    assert (
        result.stderr
        == "grokbook: this needs distributed, which comes with an extra: pip install 'grokbook[cluster]'\n"
    )
