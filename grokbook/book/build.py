"""Build the book: execute what is stale, then run jupyter-book with warnings as errors."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from grokbook.book.execute import NotebookError, execute_all
from grokbook.book.exercises import ExerciseError
from grokbook.book.staleness import fingerprint
from grokbook.runs import store as folders
from grokbook.training.ensure import RunStore

STAMP = ".grokbook-inputs"
LOCK = ".lock"


class BuildError(RuntimeError):
    """jupyter-book ended with an error or a warning."""


def build(root: Path, out: Path | None = None) -> Path:
    """Execute `root/notebooks/*.md` from published runs, train nothing, and build `root/book` into `out/_build/html`.

    Sphinx reports a warning only for pages it reads, so a second incremental build would hide it: every build starts
    from nothing, and one whose inputs are those of the last successful build is skipped whole. Safe to call from
    several processes at once. Returns the site's `index.html`; `out` is `root/book` by default.

    Raises:
        NotebookError: A notebook failed; the last good site is left as it was.
        BuildError: jupyter-book found an error or a warning.
    """
    root = root.resolve()
    book = root / "book"
    target = (out or book).resolve() / "_build"
    index, stamp = target / "html" / "index.html", target / "html" / STAMP
    target.mkdir(parents=True, exist_ok=True)
    nowhere = target / "no-runs"  # a book with runs of one's own would not be the one that others build
    env = {folders.STORED_ONLY_VARIABLE: "1", folders.STORE_VARIABLE: str(nowhere)}
    store = RunStore(nowhere, folders.default_folders().published, stored_only=True)
    with FileLock(target / LOCK):
        execute_all(root / "notebooks", book / "notebooks", env=env, store=store)
        inputs = fingerprint(root)
        if index.exists() and stamp.exists() and stamp.read_text() == inputs:
            print("site up to date", flush=True)
            return index
        for old in target.iterdir():
            if old.is_dir():
                shutil.rmtree(old)
        _jupyter_book(root, target)
        downloads = target / "html" / "_sources" / "notebooks"
        for pair in (root / "notebooks").glob("*.ipynb"):  # the small ones without outputs, for the download button
            if (downloads / pair.name).exists():
                shutil.copyfile(pair, downloads / pair.name)
        stamp.write_text(inputs)
    return index


def _jupyter_book(root: Path, target: Path) -> None:
    """Run jupyter-book of this interpreter's environment; its output is shown only when it fails."""
    call = "import sys; from jupyter_book.cli.main import main; sys.exit(main())"
    arguments = ["build", "book", "--config", "_config.yml", "--path-output", str(target.parent)]
    run = subprocess.run(
        [sys.executable, "-P", "-c", call, *arguments, "-W", "--keep-going", "--all"],
        cwd=root,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},  # the tools' own deprecations
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if run.returncode:
        raise BuildError(f"jupyter-book failed ({run.returncode}):\n{run.stdout}")


def checkout_for(what: str) -> Path:
    """The checkout that something is made from; ``FileNotFoundError``, which says what, where there is none."""
    root = folders.checkout()
    if root is None:
        raise FileNotFoundError(f"{what} from a checkout; this grokbook is installed without one")
    return root


def from_checkout(make: Callable[[Path], Path], what: str) -> int:
    """Make something from the checkout and print where it is; what is wrong, and 1, where that cannot be done."""
    try:
        print(make(checkout_for(what)))
    except (NotebookError, BuildError, ExerciseError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0
