"""A headless Chromium that asks nothing of the network: for pictures, for the book as PDF, and for tests.

It is driven by playwright, of the ``test`` extra.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

VARIABLE = "GROKBOOK_CHROMIUM"
"""Environment variable that names the executable; else the first Chromium on the path."""
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def executable() -> str:
    """Where Chromium is; ``FileNotFoundError`` where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get(VARIABLE) or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise FileNotFoundError(f"found none of {', '.join(names)}: install one, or name it in ${VARIABLE}")
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser, closed at the end; ``FileNotFoundError`` as :func:`executable` raises it."""
    from playwright.sync_api import sync_playwright

    path, arguments = executable(), list(ARGUMENTS)
    with sync_playwright() as tool, tool.chromium.launch(executable_path=path, args=arguments) as browser:
        yield browser
