"""Hashes of everything an executed notebook and the site depend on: what is up to date is not made again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from grokbook.runs.layout import PROVENANCE
from grokbook.training.ensure import RunStore, default_store

PACKAGE = Path(__file__).resolve().parents[1]
CODE = {".py", ".pyi", ".toml"}
"""What the library computes by: modules, the public faces of rooms, declared limits."""


def cache_key(source: Path, root: Path, *, library: Path = PACKAGE, store: RunStore | None = None) -> str:
    """Hash everything an executed notebook depends on.

    That is the notebook's text, the library's code, `root/constraints.txt`, and the stored runs (in the default store
    if none is given): each provenance file holds the checksums of all others of its run; tables of runs that stand
    beside them count whole.
    """
    store = store or default_store()
    code = (path for path in sorted(library.rglob("*")) if path.suffix in CODE)
    return _hashed(
        [
            ("notebook", source.read_bytes()),
            ("constraints", _content(root / "constraints.txt")),
            *((path.relative_to(library).as_posix(), path.read_bytes()) for path in code),
            *((folder.name, _content(folder / PROVENANCE)) for folder in store.folders()),
            *((table.name, table.read_bytes()) for table in store.tables()),
        ]
    )


def stored_key(executed: Path) -> str | None:
    """The `cache_key` with which a notebook was executed, or None where there is no such notebook."""
    try:
        return json.loads(executed.read_text("utf8"))["metadata"]["grokbook"]["cache_key"]
    except (OSError, ValueError, KeyError):
        return None


def fingerprint(root: Path) -> str:
    """Hash every file the site is made from: configuration, pages, executed notebooks, the library."""
    pages = [path for path in (root / "book").rglob("*") if "_build" not in path.relative_to(root).parts]
    library = [path for path in PACKAGE.rglob("*") if "__pycache__" not in path.parts]
    beside = [root / name for name in ("_config.yml", "constraints.txt", "CHANGELOG.md")]
    files = (path for path in [*beside, *sorted(pages), *sorted(library)] if path.is_file())
    return _hashed((path.name, path.read_bytes()) for path in files if not path.name.startswith("."))


def _content(file: Path) -> bytes:
    return file.read_bytes() if file.is_file() else b""


def _hashed(parts: Iterable[tuple[str, bytes]]) -> str:
    digest = hashlib.sha256()
    for name, content in parts:
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
