"""An open, executable reproduction of "Interpreting Grokked Transformers in Complex Modular Arithmetic".

Furuta, Minegishi, Iwasawa and Matsuo, 2024 (arXiv 2402.16726).
"""

from grokbook import data, fourier, measures, model
from grokbook.config import RunConfig
from grokbook.operations import Operation
from grokbook.record import TrainingDiverged
from grokbook.runs import DamagedRun, Run
from grokbook.store import RunStore, default_store
from grokbook.training import train

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
    "measures",
    "model",
    "train",
]
