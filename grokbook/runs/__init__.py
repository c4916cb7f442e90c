"""A finished run: the config that names it, the files that hold it, and the folders where it is kept."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
