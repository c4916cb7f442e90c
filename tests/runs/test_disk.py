import os

import pytest
from filelock import Timeout

from grokbook.runs import disk
from grokbook.runs.disk import table_lock


def test_files_and_folders_are_flushed(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"content")
    flushed, fsync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (flushed.append(os.fstat(handle).st_ino), fsync(handle)))
    for path in (tmp_path / "file", tmp_path):
        disk.flush(path)
    assert flushed == [(tmp_path / "file").stat().st_ino, tmp_path.stat().st_ino]
    assert (tmp_path / "file").read_bytes() == b"content"


def test_what_is_not_there_cannot_be_flushed(tmp_path):
    with pytest.raises(FileNotFoundError):
        disk.flush(tmp_path / "nothing")


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "new" / "file.txt"
    for content in ("first", "second"):
        with disk.replacing(path) as temporary:
            temporary.write_text(content)
            assert temporary.suffix == ".txt"
            assert not path.exists() or path.read_text() == "first"
        assert path.read_text() == content
    assert os.stat(path).st_mode & 0o777 == 0o644


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "file"
    path.write_text("first")

    def write():
        with disk.replacing(path) as temporary:
            temporary.write_text("sec")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        write()
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "first"


def test_a_table_is_changed_by_one_at_a_time(tmp_path):
    first, second = table_lock(tmp_path / "new" / "table.parquet"), table_lock(tmp_path / "new" / "table.parquet")
    with first:
        assert [path.name for path in (tmp_path / "new").iterdir()] == [".table.parquet.lock"]
        with pytest.raises(Timeout):
            second.acquire(blocking=False)
    with second.acquire(blocking=False):
        pass
