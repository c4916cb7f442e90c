"""Everything a workshop needs in one archive: ``make workshop``, or ``python -m grokbook.book.archive``.

A checkout without its history, with the library, all chapters and the published runs, which notebooks find as in any
checkout (:func:`grokbook.runs.store.checkout`). Besides: ``START.txt``, which says how to begin without a network; the
built ``book/``; the workshops with gaps in ``student/``, with solutions and notes in ``instructor/``; ``wheels.txt``.
"""

from __future__ import annotations

import re
import sys
import time
import tomllib
import zipfile
from collections.abc import Iterator
from importlib import metadata
from importlib.resources import files
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from grokbook.book.build import build, from_checkout
from grokbook.book.copies import instructor_copy
from grokbook.book.pair import paired, plain_text, relinked
from grokbook.book.parameters import read_notebook
from grokbook.runs import disk

NAME = "grokbook-workshop"
FOLDERS = ("grokbook", "notebooks", "runs")
FILES = ("pyproject.toml", "constraints.txt", "environment.yml", "README.md", "CHANGELOG.md", "LICENSE", "CITATION.cff")
SKIPPED = ("__pycache__", ".ipynb_checkpoints")
EXTRAS = ("book", "jupyter")
INSTALLER = "setuptools"  # of the package itself, without a network

_SYSTEM = re.compile(r"\b(sys_platform|os_name|platform_\w+)\b")
"""The variables of a requirement's marker that tell systems apart."""

START = files(__package__).joinpath("templates", "START.txt").read_text("utf8")


def archive(root: Path, site: Path, target: Path) -> Path:
    """Pack the checkout at ``root`` and the built book at ``site``; the .zip is replaced when all went well."""
    now = time.localtime()[:6]
    with disk.replacing(target) as partial, zipfile.ZipFile(partial, "w") as zipped:
        for name, content in sorted(_members(root, site)):
            entry = zipfile.ZipInfo(f"{NAME}/{name}", now)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            zipped.writestr(entry, content.encode() if isinstance(content, str) else content.read_bytes())
    return target


def _members(root: Path, site: Path) -> Iterator[tuple[str, Path | str]]:
    """Names in the archive, each with its text or the file that it is a copy of."""
    for folder in FOLDERS:
        yield from ((path.relative_to(root).as_posix(), path) for path in _files(root / folder))
    yield from ((name, root / name) for name in FILES)
    yield from ((f"book/{path.relative_to(site).as_posix()}", path) for path in _files(site))
    for source in sorted((root / "notebooks").glob("workshop_*.md")):
        copies = {"student": paired(source), "instructor": instructor_copy(read_notebook(source), source.name)}
        for name, copy in copies.items():
            linked = relinked(copy, pages="../book/{}.html", chapters="../book/notebooks/{}.html")
            yield f"{name}/{source.stem}.ipynb", plain_text(linked)
    yield "START.txt", START
    yield "wheels.txt", wheels(root)


def _files(folder: Path) -> list[Path]:
    """The files below a folder but hidden ones and what tools leave behind."""

    def wanted(path: Path) -> bool:
        parts = path.relative_to(folder).parts
        return path.is_file() and not any(part.startswith(".") or part in SKIPPED for part in parts)

    return sorted(path for path in folder.rglob("*") if wanted(path))


def wheels(root: Path) -> str:
    """Every package that notebooks need, with the version that is installed here if it is, one per line.

    These are the requirements of the package with :data:`EXTRAS` in the pyproject.toml below ``root``, and theirs in
    turn. What some systems alone need, like the libraries of a CUDA build, is left to pip.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text("utf8"))["project"]
    extras = (line for extra in EXTRAS for line in project["optional-dependencies"][extra])
    queue = [*map(Requirement, [*project["dependencies"], *extras, INSTALLER])]
    seen: set[tuple[str, str]] = set()
    found: dict[str, str] = {}
    while queue:
        requirement = queue.pop()
        name = canonicalize_name(requirement.name)
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            found[name] = name
            continue
        found[name] = f"{distribution.metadata['Name']}=={distribution.version.partition('+')[0]}"
        for extra in {"", *requirement.extras} - {extra for known, extra in seen if known == name}:
            seen.add((name, extra))
            needed = map(Requirement, distribution.requires or ())
            queue += [one for one in needed if _needed_everywhere(one, extra)]
    return "".join(f"{line}\n" for line in sorted(found.values(), key=str.lower))


def _needed_everywhere(requirement: Requirement, extra: str) -> bool:
    """Whether a requirement of a package with that extra holds on every kind of system."""
    marker = requirement.marker
    return marker is None or (not _SYSTEM.search(str(marker)) and marker.evaluate({"extra": extra}))


def main() -> int:
    """Pack the archive, and print where it is."""
    target = Path("book", "_build", f"{NAME}.zip")
    return from_checkout(lambda root: archive(root, build(root).parent, root / target), "the archive is made")


if __name__ == "__main__":
    sys.exit(main())
