"""Files that a page loads or links to besides itself.

They are written while pages are read and wait in Sphinx's doctree folder, so that they live as long as the doctrees
that name them; when the site is written they are copied to ``_static``, each folder under its own name.
"""

from __future__ import annotations

import shutil
from pathlib import Path

FIGURES, EXPLORER = "figures", "explorer"
"""The folders: of figures, and of what the explorer shows."""


WAITING = "grokbook"
"""Where they wait in the doctree folder."""


def write(doctreedir: str | Path, folder: str, name: str, text: str) -> None:
    """Keep a file for the site's ``_static/folder``."""
    path = Path(doctreedir, WAITING, folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf8")


def publish(doctreedir: str | Path, outdir: str | Path) -> None:
    """Copy all that was kept into the site."""
    if (kept := Path(doctreedir, WAITING)).is_dir():
        shutil.copytree(kept, Path(outdir, "_static"), dirs_exist_ok=True)
