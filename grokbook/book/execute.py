"""Execute notebooks with papermill: whole or not at all, and only when something they depend on changed."""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
import time
from collections.abc import Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
import papermill
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from grokbook.book.copies import Copy, page_copy
from grokbook.book.exercises import ExerciseError, first_line, has_exercises
from grokbook.book.frame import closed
from grokbook.book.parameters import ParameterError, check_parameters, read_notebook
from grokbook.book.staleness import cache_key, stored_key
from grokbook.runs import disk, provenance
from grokbook.training.ensure import RunStore


class NotebookError(RuntimeError):
    """A notebook that could not be executed to its end."""


def _kernel_manager(env: Mapping[str, str], sockets: str) -> type[AsyncKernelManager]:
    """A manager that starts the running interpreter, whichever kernel specs are installed here.

    Kernels listen on Unix sockets in the folder `sockets`: TCP ports are picked before they are bound, so of two
    kernels that start at once one may find its port taken and die. (Windows has no Unix sockets for this.)
    """
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=CRITICAL"]
    spec = KernelSpec(argv=argv, language="python", display_name="Python 3", env=dict(env))
    place = {} if os.name == "nt" else {"transport": "ipc", "connection_file": f"{sockets}/kernel.json"}

    class InterpreterKernelManager(AsyncKernelManager):
        kernel_spec = spec

        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings, **place)

    return InterpreterKernelManager


def execute_notebook(
    source: Path,
    output: Path,
    parameters: Mapping[str, Any] | None = None,
    *,
    metadata: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
    progress: bool = False,
    copy: Copy | None = None,
    note: bool = True,
) -> Path:
    """Execute a notebook in its own folder with this interpreter, and write it to `output` when all went well.

    Args:
        source: MyST `.md` or `.ipynb`.
        output: The executed `.ipynb`; replaced in one step, untouched by a failure.
        parameters: Values that replace the notebook's own.
        metadata: Kept under `metadata.grokbook`, beside `provenance`: versions, commit, hardware, date.
        env: For the kernel, on top of this process's own environment.
        progress: Pass on what the notebook writes to its error stream, like progress bars, while it runs.
        copy: Which copy of a workshop is written, once it is executed; see `grokbook.book.copies`.
        note: End with a line on what it ran on.

    Raises:
        ParameterError: Before any work, see `check_parameters`.
        ExerciseError: Before any work: a copy is asked for, and the notebook has no exercises, or an incomplete one.
        NotebookError: A cell raised or the kernel died; names the notebook and the cell.
    """
    notebook = read_notebook(source)
    check_parameters(notebook, parameters or {}, source.stem)
    if copy is not None:
        copy(notebook, source.name)
    if note:
        notebook.cells = closed(notebook.cells)
    # Figures are stored as JSON alone.
    kernel_env = {"PLOTLY_RENDERER": "plotly_mimetype", "PYDEVD_DISABLE_FILE_VALIDATION": "1", **(env or {})}
    # Without an output path papermill keeps the notebook in memory, so no half-executed file can be left behind.
    try:
        with TemporaryDirectory(prefix="grokbook-", ignore_cleanup_errors=True) as sockets:
            executed = papermill.execute_notebook(
                notebook,
                None,
                parameters,
                kernel_name="python3",
                language="python",
                progress_bar=False,
                stderr_file=sys.stderr if progress else None,
                cwd=source.resolve().parent,
                kernel_manager_class=_kernel_manager(kernel_env, sockets),
            )
    except PapermillExecutionError as error:
        message = str(error.evalue).strip().partition("\n")[0][:300]
        where = f"cell {error.cell_index + 1}, `{first_line(error.source)}`"
        raise NotebookError(f"{source.name}: {error.ename}: {message} ({where})") from error
    except RuntimeError as error:  # the kernel died, or never came up
        raise NotebookError(f"{source.name}: {error}") from error
    if copy is not None:
        executed = copy(executed, source.name)
    return _write(executed, source, output, provenance=provenance.here(), **(metadata or {}))


def prepare_notebook(source: Path, output: Path, parameters: Mapping[str, Any], *, copy: Copy) -> Path:
    """Write a copy of a workshop with parameters of one's own in it, unexecuted; errors as in `execute_notebook`."""
    notebook = read_notebook(source)
    check_parameters(notebook, parameters, source.stem)
    prepared = copy(notebook, source.name)
    if parameters:
        prepared = papermill.execute_notebook(
            prepared, None, parameters, prepare_only=True, kernel_name="python3", language="python", progress_bar=False
        )
    prepared.metadata.pop("jupytext", None)
    return _write(prepared, source, output)


def _write(notebook: NotebookNode, source: Path, output: Path, **facts: Any) -> Path:
    """Write a notebook that says what it was made from, and with what papermill was told, if it was."""
    notebook.metadata["grokbook"] = {"source": source.name, **facts}
    if "papermill" in notebook.metadata:
        notebook.metadata.papermill.update(input_path=source.name, output_path=output.name)
    with disk.replacing(output) as partial:
        nbformat.write(notebook, partial)
    return output


def execute_all(
    notebooks: Path, out: Path, jobs: int = 2, *, env: Mapping[str, str] | None = None, store: RunStore | None = None
) -> list[Path]:
    """Execute every `notebooks/*.md` whose `cache_key` is not the one in its executed copy in `out`.

    The parent of `notebooks` is the repository root. Works on so many `jobs` at a time, in processes, because papermill
    changes the working directory; kernels share the cores unless `OMP_NUM_THREADS` is set already. Prints one line per
    notebook. A failure does not stop the others. Executed notebooks in `out` whose source is gone are removed; the
    others are returned in order of name. With the variables in `env` notebooks read the runs of `store`, which is the
    default store if none is given.

    Raises:
        NotebookError: Every failure, one line each, after all notebooks ran.
    """
    sources = sorted(notebooks.glob("*.md"))
    outputs = {source: out / f"{source.stem}.ipynb" for source in sources}
    for stray in set(out.glob("*.ipynb")) - set(outputs.values()):
        stray.unlink()
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, (os.cpu_count() or 1) // jobs))
    kernel_env = {"OMP_NUM_THREADS": threads, **(env or {})}
    failures = []
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        running: dict[Future[float], Path] = {}
        for source in sources:
            key = cache_key(source, notebooks.parent, store=store)
            if stored_key(outputs[source]) == key:
                print(f"{source.stem:<20} up to date", flush=True)
            else:
                running[pool.submit(_execute_timed, source, outputs[source], key, kernel_env)] = source
        for future in as_completed(running):
            name = running[future].stem
            try:
                print(f"{name:<20} executed in {future.result():.1f} s", flush=True)
            except (NotebookError, ParameterError, ExerciseError) as error:
                print(f"{name:<20} failed", flush=True)
                failures.append(str(error))
    if failures:
        raise NotebookError("\n".join(sorted(failures)))
    return list(outputs.values())


def _execute_timed(source: Path, output: Path, key: str, env: Mapping[str, str]) -> float:
    logging.getLogger("papermill").setLevel(logging.ERROR)
    start = time.perf_counter()
    copy = page_copy if has_exercises(read_notebook(source)) else None
    execute_notebook(source, output, metadata={"cache_key": key}, env=env, copy=copy, note=False)
    return time.perf_counter() - start
