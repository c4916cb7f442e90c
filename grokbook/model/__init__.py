"""The paper's transformer: initial weights, the textbook pass that defines it, and fast passes beside it."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
