"""Tables and arrays of numbers as parquet: in few bytes, without loss, and any tool that reads parquet reads them.

Of neighbouring floats the first bytes are alike and the last are noise, so they are kept apart (``BYTE_STREAM_SPLIT``)
before zstd packs them; of whole numbers the differences are kept (``DELTA_BINARY_PACKED``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import prod
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

MOST_TIMES = 100_000
"""More evaluations than any run has."""
LEVEL = 19
"""Of zstd: above it nothing is won, and at this one a run takes 50 ms."""


def write(columns: Mapping[str, np.ndarray], path: Path) -> None:
    """Write columns of numbers, all of one length; every bit of them is kept, of NaN and −0.0, too."""
    floats, others = "BYTE_STREAM_SPLIT", "DELTA_BINARY_PACKED"
    encodings = {name: floats if column.dtype.kind == "f" else others for name, column in columns.items()}
    pq.write_table(
        pa.table(dict(columns)),  # from a data frame it would take NaN for a missing number
        path,
        compression="zstd",
        compression_level=LEVEL,
        use_dictionary=False,
        column_encoding=encodings,
        # Statistics and a second schema are half of so small a file.
        write_statistics=False,
        store_schema=False,
    )


def write_over_time(step: np.ndarray, arrays: Mapping[str, np.ndarray], axes: Mapping[str, int], path: Path) -> None:
    """Write arrays [time, *axes] as a table with a row for each number: its place, its step, and the arrays there.

    Steps rise. ``axes`` are the names and lengths of all axes but that of time; places are counted from 0.
    """
    # Times last: a number changes little from one to the next, and packs better beside itself.
    columns = {name: np.moveaxis(array, 0, -1).reshape(-1) for name, array in arrays.items()}
    write(_places(step, axes) | columns, path)


def read_history(path: Path) -> pd.DataFrame:
    """A table of numbers, one row per evaluated step. ``ValueError``: it is none, or no run has so many rows."""
    columns = _read(path, MOST_TIMES)
    return pd.DataFrame({name: columns[name].to_numpy() for name in columns.column_names})


def _read(path: Path, most_rows: int) -> pa.Table:
    """A parquet file of numbers; what is no such file, or has more rows, is refused before it is loaded."""
    about = pq.read_metadata(path)
    if about.num_rows > most_rows:
        raise ValueError(f"{about.num_rows:,} rows: no run has as many")
    for field in about.schema.to_arrow_schema():
        if not (pa.types.is_integer(field.type) or pa.types.is_floating(field.type)):
            raise ValueError(f"{field.name} is {field.type}, not a number")
    table = pq.read_table(path)
    if missing := [name for name in table.column_names if table[name].null_count]:
        raise ValueError(f"{missing[0]} has missing values")
    return table


def read_over_time(path: Path, names: Collection[str], axes: Mapping[str, int]) -> tuple[np.ndarray, list[np.ndarray]]:
    """The steps and the arrays that :func:`write_over_time` wrote. Further columns are no matter.

    Raises:
        ValueError: it is no parquet file, lacks a column, or has not one row for each place and step, in their order.
    """
    table = _read(path, MOST_TIMES * prod(axes.values()))
    if lacking := [name for name in (*axes, "step", *names) if name not in table.column_names]:
        raise ValueError(f"no column {lacking[0]}")
    times = table.num_rows // prod(axes.values())
    step = table["step"].to_numpy()[:times].copy()
    expected = _places(step, axes)
    if not all(np.array_equal(table[name].to_numpy(), column) for name, column in expected.items()):
        wanted = ", ".join(f"{length} of {name}" for name, length in axes.items())
        raise ValueError(f"its rows are not one for each place ({wanted}) and step, in this order")
    arrays = (table[name].to_numpy().reshape(*axes.values(), times) for name in names)
    return step, [np.moveaxis(array, -1, 0).copy() for array in arrays]


def _places(step: np.ndarray, axes: Mapping[str, int]) -> dict[str, np.ndarray]:
    """The columns that say what a row is about."""
    *places, time = np.indices((*axes.values(), len(step))).reshape(len(axes) + 1, -1)
    return dict(zip(axes, places, strict=True)) | {"step": step[time]}
