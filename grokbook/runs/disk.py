"""Files and folders that are whole or not there, and survive a power loss."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from filelock import FileLock, Timeout

LARGEST_JSON = 10_000_000
"""Bytes; a config with the table of the largest modulus takes a few millions."""


def read_json(path: Path) -> Any:
    """What a JSON file says.

    Raises:
        ValueError: it is none, larger than :data:`LARGEST_JSON`, or nested too deep for Python.
        OSError: it cannot be read.
    """
    if (size := path.stat().st_size) > LARGEST_JSON:
        raise ValueError(f"{size:,} bytes are no file of this kind")
    try:
        return json.loads(path.read_text("utf8"))
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def flush(path: Path) -> None:
    """Have a file, or the names in a folder, written out to the disk. Where folders cannot be flushed, they are not."""
    if path.is_dir() and os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to in place of ``path``, which appears there when all is written, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".writing-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        flush(temporary)
        temporary.replace(path)
        flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path, writing: str, replaced: str) -> Iterator[Path]:
    """The same for a folder. One that is there gives way by renames, and a kill between them loses nothing.

    What a process leaves that is killed has a name that begins so beside the folder: see :func:`put_back` and
    :func:`clear_dead`. As long as it lives it holds the lock of that name.
    """
    old = path.with_name(f"{replaced}{path.name}")
    place = path.with_name(f"{writing}{uuid4().hex}")
    lock = _lock_on(place)
    try:
        with lock.acquire():
            new = place / path.name
            new.mkdir(0o755, parents=True)
            yield new
            for written in (*new.iterdir(), new):
                flush(written)
            if path.exists():
                path.rename(old)
            new.rename(path)
            flush(path.parent)
    finally:
        shutil.rmtree(place, ignore_errors=True)
        Path(lock.lock_file).unlink(missing_ok=True)
    shutil.rmtree(old, ignore_errors=True)


def clear_dead(folder: Path, writing: str) -> None:
    """Remove what processes have left that died while they wrote a folder: nobody holds its lock."""
    for name in {left.name.removesuffix(_LOCK) for left in folder.glob(f"{writing}*")}:
        lock = _lock_on(folder / name)
        try:
            with lock.acquire(blocking=False):
                shutil.rmtree(folder / name, ignore_errors=True)
                Path(lock.lock_file).unlink(missing_ok=True)
        except Timeout:
            continue


_LOCK = ".lock"


def _lock_on(place: Path) -> FileLock:
    return FileLock(place.with_name(f"{place.name}{_LOCK}"))


def put_back(old: Path, path: Path) -> None:
    """Bring a folder back that has given way to nothing, or remove it."""
    if path.exists():
        shutil.rmtree(old, ignore_errors=True)
    else:
        old.rename(path)


def table_lock(path: Path) -> FileLock:
    """The lock on a table, a hidden file beside it: hold it to read and write, and what others add meanwhile stays.

    Its folder is made if it is not there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path.with_name(f".{path.name}.lock"))
