"""Discrete Fourier transforms over the residues, spectra of layers, and the measures FFS, FCR and others."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
