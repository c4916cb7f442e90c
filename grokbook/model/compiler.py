"""C compiled on first use: a shared library from sources of this package, kept in a folder of the user's.

A library is named by what it was made of: sources, compiler, options and processor. Each process writes a file of its
own and renames it, so that any number of them may come at once.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

COMPILERS = ("cc", "gcc", "clang")
OPTIONS = ("-std=gnu11", "-O2", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared")
"""Nothing here lets a compiler reorder sums, or forget about nan."""
SECONDS = 120
"""How long a compiler may take; it needs two."""


def load(source: Path) -> ctypes.CDLL:
    """The library of a C source and of the headers beside it, compiled if it is not kept yet.

    ``OSError`` where that cannot be done.
    """
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise OSError(f"no C compiler: none of {', '.join(COMPILERS)}")
    options = (*OPTIONS, "-mcpu=native" if platform.machine() in ("arm64", "aarch64") else "-march=native")
    version = _output([compiler, "--version"])
    sources = [file.read_text("utf8") for file in (source, *sorted(source.parent.glob("*.h")))]
    made_of = "\0".join([*sources, compiler, version, *options, _processor()])
    file = folder() / f"{source.stem}-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}.so"
    if not file.exists():
        _compile([compiler, *options], source, file)
    return ctypes.CDLL(str(file))


def folder() -> Path:
    """Where compiled libraries are kept: ``$XDG_CACHE_HOME/grokbook``, by default ``~/.cache/grokbook``."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "grokbook"
    except RuntimeError as error:
        raise OSError(f"no home directory: {error}") from error


def _compile(command: list[str], source: Path, file: Path) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent) as own:
        made = Path(own) / file.name
        _output([*command, "-o", str(made), str(source), "-lm"])
        made.replace(file)


def _output(command: list[str]) -> str:
    """What a command prints; ``OSError`` if it fails."""
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS).stdout
    except subprocess.CalledProcessError as error:
        raise OSError(f"{command[0]} failed: {error.stderr.strip()}") from error
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{command[0]} took more than {SECONDS} s") from error


def _processor() -> str:
    """What the processor is called, and which instructions it has, as far as the system says so."""
    names = [sys.platform, platform.machine(), platform.processor()]
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return " ".join(names)
    return " ".join([*names, *sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})])
