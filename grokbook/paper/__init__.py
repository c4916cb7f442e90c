"""The paper: its experiments as lists of runs, its numbers, and its claims judged by stored runs."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
