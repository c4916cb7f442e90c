"""Models by name: the paper's transformer with fast passes, the same with separate embeddings, and an MLP."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
