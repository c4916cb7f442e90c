import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokbook.runs import tables

BITS = {np.float16: np.uint16, np.float32: np.uint32, np.float64: np.uint64}


@st.composite
def arrays_over_time(draw):
    """Arrays [time, *axes] of any bits at all: NaN of every kind, −0.0 and the smallest numbers among them."""
    kind = draw(st.sampled_from([*BITS]))
    axes = {f"axis_{i}": length for i, length in enumerate(draw(st.lists(st.integers(1, 4), max_size=3)))}
    step = np.array(sorted(draw(st.sets(st.integers(0, 2**40), max_size=5))), dtype=np.int64)
    shape = (len(step), *axes.values())
    numbers = st.one_of(
        st.integers(0, np.iinfo(BITS[kind]).max),
        st.sampled_from([0.0, -0.0, np.nan, np.inf, 1.0, 1e-6]).map(lambda x: int(kind(x).view(BITS[kind]))),
        st.integers(0, 3),  # denormal
    )
    size = int(np.prod(shape))
    bits = st.lists(numbers, min_size=size, max_size=size)
    arrays = {name: np.array(draw(bits), BITS[kind]).view(kind).reshape(shape) for name in ("one", "another")}
    return step, arrays, axes


@given(arrays_over_time())
def test_every_bit_comes_back(tmp_path_factory, written):
    step, arrays, axes = written
    path = tmp_path_factory.mktemp("tables") / "t.parquet"
    tables.write_over_time(step, arrays, axes, path)
    found_step, found = tables.read_over_time(path, list(arrays), axes)
    assert np.array_equal(found_step, step)
    for array, other in zip(arrays.values(), found, strict=True):
        assert (other.dtype, other.shape, other.tobytes()) == (array.dtype, array.shape, array.tobytes())
        assert other.flags.writeable


@given(st.lists(st.integers(0, 2**32 - 1)), st.sampled_from([np.int16, np.int32, np.int64]))
def test_every_bit_of_columns_comes_back_through_pandas(tmp_path_factory, bits, kind):
    path = tmp_path_factory.mktemp("tables") / "t.parquet"
    floats = np.array(bits, dtype=np.uint32).view(np.float32)
    integers = np.array(bits, dtype=np.uint32).astype(kind)
    tables.write({"x": floats, "n": integers}, path)
    found = pd.read_parquet(path)
    assert found["x"].to_numpy().tobytes() == floats.tobytes()
    assert found["n"].to_numpy().tobytes() == integers.tobytes()
    assert found["n"].dtype == kind


def test_what_changes_little_takes_little(tmp_path):
    step = np.arange(60)
    norms = np.exp(-step[:, None] / 20 * np.linspace(0, 1, 97)).astype(np.float32)
    tables.write_over_time(
        step, {"norm": norms, "frozen": np.tile(norms[7], (60, 1))}, {"component": 97}, tmp_path / "t"
    )
    assert (tmp_path / "t").stat().st_size < 0.75 * norms.nbytes


@pytest.mark.parametrize("axes", [{"component": 3}, {"component": 12}, {"other": 4}])
def test_other_axes_are_refused(tmp_path, axes):
    tables.write_over_time(np.arange(2), {"x": np.ones((2, 4))}, {"component": 4}, tmp_path / "t")
    with pytest.raises(ValueError, match=r"no column other|not one for each place"):
        tables.read_over_time(tmp_path / "t", ["x"], axes)
