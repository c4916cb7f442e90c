"""From a config to a run: the loop, what is written down meanwhile, and many runs on many workers."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
