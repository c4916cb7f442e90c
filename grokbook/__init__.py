"""An open, executable reproduction of "Interpreting Grokked Transformers in Complex Modular Arithmetic".

Furuta, Minegishi, Iwasawa and Matsuo, 2024 (arXiv 2402.16726).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grokbook import data, fourier, live, measures, model
    from grokbook.config import RunConfig
    from grokbook.errors import DamagedRun, TrainingDiverged
    from grokbook.operations import Operation
    from grokbook.runs import Run
    from grokbook.store import RunStore, default_store
    from grokbook.training import train

# Imported when first used: torch alone takes seconds, and many commands do without it.
_HOMES = {
    "DamagedRun": "errors",
    "Operation": "operations",
    "Run": "runs",
    "RunConfig": "config",
    "RunStore": "store",
    "TrainingDiverged": "errors",
    "default_store": "store",
    "train": "training",
}

__all__ = [
    "DamagedRun",
    "Operation",
    "Run",
    "RunConfig",
    "RunStore",
    "TrainingDiverged",
    "data",
    "default_store",
    "fourier",
    "live",
    "measures",
    "model",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"grokbook.{_HOMES[name]}"), name)
    if name in __all__:
        return import_module(f"grokbook.{name}")
    raise AttributeError(f"module 'grokbook' has no attribute {name!r}")
