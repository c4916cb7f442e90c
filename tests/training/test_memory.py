import subprocess
import sys

import pytest
import torch

from grokbook import RunConfig
from grokbook.training import memory

CPU = torch.device("cpu")


def test_what_cannot_fit_is_refused_with_its_size(monkeypatch):
    config = RunConfig(operations=("a+b",), p=997)
    monkeypatch.setattr(memory, "available", lambda device: 24 * 10**9)
    with pytest.raises(ValueError, match=r"p=997.*needs about \d+ GB of memory, and cpu has 24 GB"):
        memory.check(config, CPU)
    memory.check(RunConfig(operations=("a+b",)), CPU)


def test_the_estimate_of_memory_is_of_the_right_size():
    """By how much the peak of a real process grows once it trains and evaluates."""
    code = (
        "import re, torch; torch.set_num_threads(1)\n"
        "import grokbook as gb\n"
        "from grokbook.training import engine, memory\n"
        "from grokbook.runs.initial import initial_weights\n"
        # Not getrusage: its peak is inherited from whoever started the process.
        "peak = lambda: 1024 * int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])\n"
        "config = gb.RunConfig(operations=('a+b',), p=199, fraction=0.6)\n"
        "before = peak()\n"
        "stack = engine.Stack([config], [initial_weights(config, {})], torch.device('cpu'))\n"
        "stack.advance(2); stack.evaluate()\n"
        "print(peak() - before, sum(memory.bytes_needed(config)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    grown, estimate = map(int, found.stdout.split())
    assert 0.5 * grown < estimate < 2.5 * grown


def test_one_run_at_a_time_on_a_cpu_and_what_fits_on_cuda(monkeypatch):
    config, cuda = RunConfig(operations=("a+b",)), torch.device("cuda")
    assert memory.slots(config, CPU) == 1
    for there, expected in ((1, 1), (10**12, memory.MAX_SLOTS)):
        monkeypatch.setattr(memory, "available", lambda device, there=there: there)
        assert memory.slots(config, cuda) == expected
    monkeypatch.setattr(memory, "available", lambda device: 3 * 10**9)
    assert 1 < memory.slots(config, cuda) < memory.MAX_SLOTS


def test_what_torch_holds_but_does_not_use_is_free(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 1000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 70)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 20)
    assert memory.available(torch.device("cuda")) == 150


def test_freed_memory_is_only_kept_on_linux(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda *_: pytest.fail("called into a library"))
    memory.keep_freed.__wrapped__()
