import os
import subprocess
import sys
from pathlib import Path

import pytest

from grokbook.model import compiler


@pytest.fixture
def source(tmp_path, monkeypatch) -> Path:
    """A source with a header, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "answer.h").write_text("#define ANSWER 42\n")
    file = tmp_path / "c" / "answer.c"
    file.write_text('#include "answer.h"\nint answer(void) { return ANSWER; }\n')
    return file


def script(file: Path, text: str) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def kept() -> list[Path]:
    return sorted(compiler.folder().iterdir()) if compiler.folder().exists() else []


def test_a_source_is_compiled_once_and_anew_when_it_or_a_header_changes(source, monkeypatch):
    assert compiler.load(source).answer() == 42
    (library,) = kept()
    assert compiler.folder().stat().st_mode & 0o077 == 0, "only its owner may put libraries there"
    with monkeypatch.context() as context:
        context.setattr(compiler, "_compile", None)
        assert compiler.load(source).answer() == 42
    source.with_name("answer.h").write_text("#define ANSWER 43\n")
    assert compiler.load(source).answer() == 43
    assert library in kept()
    assert len(kept()) == 2


@pytest.mark.parametrize("changed", ["OPTIONS", "_processor"])
def test_another_processor_or_option_has_a_library_of_its_own(source, monkeypatch, changed):
    compiler.load(source)
    other = (*compiler.OPTIONS, "-DX") if changed == "OPTIONS" else lambda: "another"
    monkeypatch.setattr(compiler, changed, other)
    compiler.load(source)
    assert len(kept()) == 2


def test_the_processor_is_told_by_its_instructions():
    if Path("/proc/cpuinfo").exists():
        assert "flags" in compiler._processor() or "Features" in compiler._processor()


def test_without_a_compiler_there_is_a_sentence(source, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(OSError, match="no C compiler: none of cc, gcc, clang"):
        compiler.load(source)


@pytest.mark.parametrize(
    ("does", "says"),
    [
        ("echo no such option >&2; exit 1", "cc failed: no such option"),
        ("test $1 = --version || { echo no headers >&2; exit 1; }", "cc failed: no headers"),
        ("exec sleep 20", "cc took more than 0.1 s"),
        ("exit 0", "No such file"),
    ],
)
def test_a_compiler_that_fails_leaves_nothing(source, tmp_path, monkeypatch, does, says):
    script(tmp_path / "bin" / "cc", does)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    if "sleep" in does:
        monkeypatch.setattr(compiler, "SECONDS", 0.1)
    with pytest.raises(OSError, match=says):
        compiler.load(source)
    assert kept() == []


def test_what_is_no_library_is_refused(source, tmp_path, monkeypatch):
    script(tmp_path / "bin" / "cc", 'while test $# -gt 0; do test "$1" = -o && echo rubbish > "$2"; shift; done')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with pytest.raises(OSError, match=r"\.so"):
        compiler.load(source)


def test_without_a_place_to_keep_it_there_is_no_library(source, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(OSError, match="file"):
        compiler.load(source)
    monkeypatch.delenv("XDG_CACHE_HOME")

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(OSError, match="no home directory"):
        compiler.folder()


def test_processes_that_come_at_once_all_get_it(source):
    code = "import sys; from pathlib import Path; from grokbook.model import compiler\n"
    code += "print(compiler.load(Path(sys.argv[1])).answer())"
    at_once = [
        subprocess.Popen([sys.executable, "-c", code, str(source)], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    assert [process.communicate(timeout=60)[0] for process in at_once] == ["42\n"] * 3
    assert len(kept()) == 1
