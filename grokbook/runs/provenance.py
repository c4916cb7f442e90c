"""Where a result comes from: versions, device, commit."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch


def describe(device: torch.device) -> dict[str, Any]:
    """What is worth knowing about the code and the machine; plain values."""
    return {
        "grokbook": version(),
        "commit": commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "device": device_name(device),
        "threads": torch.get_num_threads(),
    }


def version() -> str:
    """The installed version of this library; "not installed" where it runs from a folder alone."""
    try:
        return metadata.version("grokbook")
    except metadata.PackageNotFoundError:
        return "not installed"


def here() -> dict[str, Any]:
    """What is worth knowing about this process, its machine and the time; plain values."""
    facts = describe(torch.device("cpu")) | {"cores": os.cpu_count()}
    del facts["threads"]  # of whoever asks: a notebook that was executed from here had its own
    if gpus := [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]:
        facts["gpus"] = gpus
    return facts | {"date": datetime.now(UTC).isoformat(timespec="seconds")}


def hardware(facts: Mapping[str, Any]) -> str:
    """The machine that :func:`here` describes, in a few words."""
    return ", ".join([facts["device"], f"{facts['cores']} cores", *facts.get("gpus", ())])


def sentence(facts: Mapping[str, Any]) -> str:
    """What :func:`here` says, in a line."""
    commit = f" (commit {facts['commit']})" if facts["commit"] else ""
    return (
        f"Executed {facts['date'][:16].replace('T', ' ')} UTC with grokbook {facts['grokbook']}{commit}, "
        f"Python {facts['python']} and torch {facts['torch']} on {hardware(facts)}."
    )


def device_name(device: torch.device) -> str:
    """The model of a GPU, or of the processor."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def commit() -> str | None:
    """The commit of the checkout this code runs from, with "+changes" if the library differs; None outside one."""

    def git(*arguments: str) -> str:
        options: dict[str, Any] = {"cwd": Path(__file__).parents[1], "capture_output": True, "text": True}
        return subprocess.run(["git", *arguments], check=True, **options).stdout.strip()

    try:
        head = git("rev-parse", "--short=12", "HEAD")
        git("ls-files", "--error-unmatch", __file__)
        return head + ("+changes" if git("status", "--porcelain", ".") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
