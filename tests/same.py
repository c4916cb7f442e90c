"""When two runs, or two folders, are the same to the last bit."""

import hashlib
from pathlib import Path

import pandas as pd
import torch

from grokbook import Run


def assert_same_run(found: Run, expected: Run) -> None:
    """Everything but the provenance, which holds times."""
    assert found.config == expected.config
    pd.testing.assert_frame_equal(found.history, expected.history, check_exact=True)
    for name in ("spectra", "weights"):
        for field, value in getattr(expected, name)._asdict().items():
            other = getattr(getattr(found, name), field)
            assert other.dtype == value.dtype, field
            assert torch.equal(other, value), field


def fingerprint(folder: Path) -> dict[str, str]:
    """Digests of all files below a folder, and the folders themselves."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "/"
        for path in folder.rglob("*")
    }
