"""Annotations are what is checked: each resolves, shapes are strings, and a wrong shape is refused."""

import ast
import importlib
import inspect
import typing
from collections.abc import Iterator
from pathlib import Path
from pkgutil import resolve_name
from types import ModuleType

import jaxtyping
import pytest
import torch
from checkout import ROOT

from grokbook import fourier
from grokbook.fourier.transform import Spectrum

MODULES = sorted(
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for file in (ROOT / "grokbook").rglob("*.py")
    if file.stem != "__main__"
)
OPTIONAL = {"triton", "transformer_lens"}
"""What not every machine has that runs the tests."""


def load(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in OPTIONAL:
            pytest.skip(f"needs {error.name}")
        raise


def for_checkers_only(module: ModuleType) -> dict[str, object]:
    """What a module imports under ``if TYPE_CHECKING``, to spare a command the import of torch."""
    return {
        alias.asname or alias.name: resolve_name(f"{statement.module}:{alias.name}")
        for node in ast.parse(Path(str(module.__file__)).read_text()).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for statement in node.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }


def annotated(owner: ModuleType | type) -> Iterator[tuple[str, object]]:
    """The public classes and functions that a module defines, and the methods and properties of those classes."""
    module = owner.__name__ if isinstance(owner, ModuleType) else owner.__module__
    for name, value in vars(owner).items():
        if name.startswith("_") and not (name == "__init__" and isinstance(owner, type)):
            continue
        parts = [value.fget] if isinstance(value, property) else [getattr(value, "__func__", value)]
        for part in parts:
            if getattr(part, "__module__", None) == module and (inspect.isfunction(part) or inspect.isclass(part)):
                yield name, part
                if inspect.isclass(part):
                    yield from ((f"{name}.{inner}", found) for inner, found in annotated(part))


@pytest.mark.parametrize("name", MODULES)
def test_every_annotation_resolves(name):
    module = load(name)
    extra = for_checkers_only(module)
    for where, value in annotated(module):
        try:
            typing.get_type_hints(value, localns=extra, include_extras=True)
        except Exception as error:
            pytest.fail(f"{name}.{where}: {error!r}")


def shapes(source: str) -> Iterator[tuple[int, ast.expr]]:
    """The second half of each jaxtyping annotation, and its line."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and isinstance(node.slice, ast.Tuple):
            kind = getattr(jaxtyping, node.value.id, None)
            if isinstance(kind, type) and issubclass(kind, jaxtyping.AbstractDtype):
                yield node.lineno, node.slice.elts[1]


def test_every_shape_is_a_string():
    seen = 0
    for file in (ROOT / "grokbook").rglob("*.py"):
        for line, shape in shapes(file.read_text()):
            seen += 1
            assert isinstance(getattr(shape, "value", None), str), f"{file}:{line}"
    assert seen > 100
    assert [type(shape) for _, shape in shapes('x: Real[Tensor, p * n] | Real[Tensor, "p *n"]')] == [
        *(ast.BinOp, ast.Constant)
    ]


WRONG = {
    "spectrum of a number": lambda: fourier.spectrum(torch.tensor(1.0)),
    "spectrum of complex numbers": lambda: fourier.spectrum(torch.zeros(5, 2, dtype=torch.complex64)),
    "coefficients of a number": lambda: fourier.coefficients(torch.tensor(1.0)),
    "coefficients of a list": lambda: fourier.coefficients([1.0, 2.0, 3.0]),
    "four axes of logits": lambda: fourier.coefficients_2d(torch.zeros(3, 3, 3, 3)),
    "one axis of logits": lambda: fourier.spectrum_2d(torch.zeros(9)),
    "rows of integers": lambda: Spectrum.of_rows(torch.zeros(5, dtype=torch.int64)),
}


@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG.keys())
def test_the_transform_refuses_what_its_annotations_do_not_allow(call):
    with pytest.raises(jaxtyping.TypeCheckError, match=r"(?s)parameter.*annotation"):
        call()
