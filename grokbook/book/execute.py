"""Execute notebooks with papermill: whole or not at all, and only when something they depend on changed."""

from __future__ import annotations

import ast
import difflib
import hashlib
import json
import logging
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import jupytext
import nbformat
import papermill
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from grokbook.book.copies import page_copy
from grokbook.book.exercises import ExerciseError, has_exercises
from grokbook.book.frame import closed
from grokbook.runs import provenance
from grokbook.runs.run import PROVENANCE
from grokbook.training.store import RunStore, default_store

PACKAGE = Path(__file__).resolve().parents[1]
LITERAL_TYPES: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "int": (int,),
    "float": (float, int),
    "str": (str,),
    "list": (list, tuple),
    "tuple": (list, tuple),
    "dict": (dict,),
    "None": (type(None),),
}


class ParameterError(ValueError):
    """A parameter that the notebook does not have, or a value of the wrong type."""


class NotebookError(RuntimeError):
    """A notebook that could not be executed to its end."""


class Parameter(NamedTuple):
    """One assignment of a notebook's parameters cell; `types` is empty where anything is accepted."""

    name: str
    default: str
    types: tuple[str, ...]


def read_notebook(source: Path) -> NotebookNode:
    """Read a MyST `.md` or an `.ipynb` notebook."""
    if not source.is_file():
        raise FileNotFoundError(f"no notebook at {source}")
    return jupytext.read(source)


def notebook_parameters(notebook: NotebookNode) -> dict[str, Parameter]:
    """Return what the first cell tagged `parameters` assigns at its top level, by name.

    Read with Python's own parser: papermill's inspection works line by line and overlooks `p: int | None = 3`.
    """
    cells = (cell for cell in notebook.cells if cell.cell_type == "code")
    tagged = (cell for cell in cells if "parameters" in cell.metadata.get("tags", ()))
    found = {}
    for node in ast.parse(next(tagged, {"source": ""})["source"]).body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=ast.expr() as value):
                found[name] = Parameter(name, ast.unparse(value), tuple(_named_types(annotation)))
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found[name] = Parameter(name, ast.unparse(value), _literal_types(value))
    return found


def _named_types(annotation: ast.expr) -> Iterable[str]:
    match annotation:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            sides = [tuple(_named_types(side)) for side in (left, right)]
            return () if () in sides else sides[0] + sides[1]
        case ast.Subscript(value=ast.Name(id=name)) | ast.Name(id=name) if name in LITERAL_TYPES:
            return (name,)
        case ast.Constant(value=None):
            return ("None",)
    return ()


def _literal_types(value: ast.expr) -> tuple[str, ...]:
    try:
        literal = ast.literal_eval(value)
    except ValueError:
        return ()
    return () if literal is None else (type(literal).__name__,)


def check_parameters(notebook: NotebookNode, parameters: Mapping[str, Any], name: str) -> None:
    """Refuse parameters the notebook does not have or cannot take, all of them in one message.

    Args:
        notebook: The notebook, unexecuted.
        parameters: Values by parameter name.
        name: How messages call the notebook.

    Raises:
        ParameterError: An unknown name (with the nearest valid ones) or an ill-typed value.
    """
    valid = notebook_parameters(notebook)
    problems = []
    for key, value in parameters.items():
        if key not in valid:
            near = difflib.get_close_matches(key, valid, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(valid) or 'none'}"
            problems.append(f"{name} has no parameter {key!r}; {hint}")
        elif not _accepts(valid[key].types, value):
            types = " or ".join(valid[key].types)
            problems.append(f"{name}: {key} takes {types}, not {type(value).__name__} ({value!r})")
    if problems:
        raise ParameterError("\n".join(problems))


def _accepts(types: tuple[str, ...], value: object) -> bool:
    """True where `value` fits; a bool is an int to Python but `p=True` is a mistake."""
    if not types or (isinstance(value, bool) and "bool" in types):
        return True
    return not isinstance(value, bool) and any(isinstance(value, LITERAL_TYPES.get(t, object)) for t in types)


def _kernel_manager(env: Mapping[str, str], sockets: str) -> type[AsyncKernelManager]:
    """Return a manager that starts the running interpreter, whichever kernel specs are installed here.

    Kernels listen on Unix sockets in the folder `sockets`: TCP ports are picked before they are bound, so of two
    kernels that start at once one may find its port taken and die. (Windows has no Unix sockets for this.)
    """
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=CRITICAL"]

    class InterpreterKernelManager(AsyncKernelManager):
        def __init__(self, **settings: Any) -> None:
            settings |= {} if os.name == "nt" else {"transport": "ipc", "connection_file": f"{sockets}/kernel.json"}
            super().__init__(**settings)

        @property
        def kernel_spec(self) -> KernelSpec:
            return KernelSpec(argv=argv, language="python", display_name="Python 3", env=dict(env))

    return InterpreterKernelManager


def execute_notebook(
    source: Path,
    output: Path,
    parameters: Mapping[str, Any] | None = None,
    *,
    metadata: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
    renderer: str = "plotly_mimetype",
    progress: bool = False,
    copy: Callable[[NotebookNode, str], NotebookNode] | None = None,
    note: bool = True,
) -> Path:
    """Execute a notebook in its own folder with this interpreter, and write it to `output` when all went well.

    Args:
        source: MyST `.md` or `.ipynb`.
        output: Where the executed `.ipynb` goes; replaced in one step, untouched by a failure.
        parameters: Values injected after the parameters cell; also stored in the notebook's metadata.
        metadata: Kept in the executed notebook under `metadata.grokbook`, beside its `provenance`.
        env: Environment variables for the kernel, on top of this process's own.
        renderer: Plotly's renderer in the kernel. The default stores figures as JSON alone.
        progress: Pass on what the notebook writes to its error stream, like progress bars, while it runs.
        copy: Which copy of a workshop is written, once it is executed; see `grokbook.book.copies`.
        note: End with a line on what it ran on. Versions, commit, hardware and date are in `metadata.grokbook` anyway.

    Raises:
        ParameterError: Before any work, see `check_parameters`.
        ExerciseError: Before any work: a copy is asked for, and the notebook has no exercises, or an incomplete one.
        NotebookError: A cell raised or the kernel died; names the notebook and the cell.
    """
    notebook, parameters = read_notebook(source), dict(parameters or {})
    check_parameters(notebook, parameters, source.stem)
    if copy is not None:
        copy(notebook, source.name)
    if note:
        notebook.cells = closed(notebook.cells)
    kernel_env = {"PLOTLY_RENDERER": renderer, "PYDEVD_DISABLE_FILE_VALIDATION": "1", **(env or {})}
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
        raise NotebookError(_describe(source, error)) from error
    except RuntimeError as error:  # the kernel died, or never came up
        raise NotebookError(f"{source.name}: {error}") from error
    if copy is not None:
        executed = copy(executed, source.name)
    executed.metadata["grokbook"] = {"source": source.name, "provenance": provenance.here(), **(metadata or {})}
    executed.metadata.papermill.update(input_path=source.name, output_path=output.name)
    _write(executed, output)
    return output


def prepare_notebook(
    source: Path,
    output: Path,
    parameters: Mapping[str, Any] | None = None,
    *,
    copy: Callable[[NotebookNode, str], NotebookNode],
) -> Path:
    """Write a copy of a workshop with parameters of one's own in it, unexecuted; errors as in `execute_notebook`."""
    notebook, parameters = read_notebook(source), dict(parameters or {})
    check_parameters(notebook, parameters, source.stem)
    prepared = copy(notebook, source.name)
    if parameters:
        prepared = papermill.execute_notebook(
            prepared, None, parameters, prepare_only=True, kernel_name="python3", language="python", progress_bar=False
        )
        prepared.metadata.papermill.update(input_path=source.name, output_path=output.name)
    prepared.metadata.pop("jupytext", None)
    prepared.metadata["grokbook"] = {"source": source.name}
    _write(prepared, output)
    return output


def _describe(source: Path, error: PapermillExecutionError) -> str:
    line = next((line for line in error.source.splitlines() if line.strip()), "").strip()
    message = str(error.evalue).strip().partition("\n")[0]
    return f"{source.name}: {error.ename}: {message[:300]} (cell {error.cell_index + 1}, `{line[:60]}`)"


def _write(notebook: NotebookNode, output: Path) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{output.name}.{os.getpid()}.partial")
    try:
        nbformat.write(notebook, partial)
        os.replace(partial, output)
    finally:
        partial.unlink(missing_ok=True)


def cache_key(
    source: Path, parameters: Mapping[str, Any], root: Path, *, library: Path = PACKAGE, store: RunStore | None = None
) -> str:
    """Hash everything an executed notebook depends on.

    That is the notebook's text, its parameters, every Python file of the library, `root/constraints.txt`, and the
    stored runs (in the default store if none is given): each provenance file holds the checksums of all others of
    its run; tables of runs that stand beside them count whole.
    """
    constraints = root / "constraints.txt"
    digest = hashlib.sha256()

    def add(name: str, content: bytes) -> None:
        digest.update(f"{name}\0{len(content)}\0".encode() + content)

    add("notebook", source.read_bytes())
    add("parameters", json.dumps(dict(parameters), sort_keys=True).encode())
    add("constraints", constraints.read_bytes() if constraints.exists() else b"")
    for path in sorted(library.rglob("*.py")):
        add(path.relative_to(library).as_posix(), path.read_bytes())
    store = store or default_store()
    for folder in store.folders():
        file = folder / PROVENANCE
        add(folder.name, file.read_bytes() if file.is_file() else b"")
    for table in store.tables():
        add(table.name, table.read_bytes())
    return digest.hexdigest()


def _stored_key(output: Path) -> str | None:
    try:
        return json.loads(output.read_text("utf8"))["metadata"]["grokbook"]["cache_key"]
    except (OSError, ValueError, KeyError):
        return None


def execute_all(
    notebooks: Path,
    out: Path,
    jobs: int = 2,
    *,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    env: Mapping[str, str] | None = None,
    store: RunStore | None = None,
    force: bool = False,
) -> list[Path]:
    """Execute every `notebooks/*.md` whose `cache_key` is not the one in its executed copy in `out`.

    Works in processes, because papermill changes the working directory. Prints one line per notebook. A failure does
    not stop the others. Executed notebooks in `out` whose source is gone are removed.

    Args:
        notebooks: Folder of MyST notebooks; its parent is the repository root.
        out: Folder of executed notebooks.
        jobs: Notebooks at a time. Kernels share the cores unless `OMP_NUM_THREADS` is set already.
        parameters: Per notebook stem, values that replace its defaults.
        env: Environment variables for the kernels, on top of this process's own.
        store: The runs that the notebooks read by these variables; those of the default store if none is given.
        force: Execute even what is up to date.

    Returns:
        The executed notebooks, in order of name.

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
            values = (parameters or {}).get(source.stem, {})
            key = cache_key(source, values, notebooks.parent, store=store)
            if not force and _stored_key(outputs[source]) == key:
                print(f"{source.stem:<20} up to date", flush=True)
            else:
                running[pool.submit(_execute_timed, source, outputs[source], values, key, kernel_env)] = source
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


def _execute_timed(
    source: Path, output: Path, parameters: Mapping[str, Any], key: str, env: Mapping[str, str]
) -> float:
    logging.getLogger("papermill").setLevel(logging.ERROR)
    start = time.perf_counter()
    copy = page_copy if has_exercises(read_notebook(source)) else None
    execute_notebook(source, output, parameters, metadata={"cache_key": key}, env=env, copy=copy, note=False)
    return time.perf_counter() - start
