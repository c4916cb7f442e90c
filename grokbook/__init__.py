"""An open, executable reproduction of "Interpreting Grokked Transformers in Complex Modular Arithmetic".

Furuta, Minegishi, Iwasawa and Matsuo, 2024 (arXiv 2402.16726). Ten rooms, each importing only from those before it::

    an expression ─► a table ─► a model trained on it ─► a run ─► what it has learned ─► figure ─► chapter
      data            data        model, training         runs     fourier, analysis      figures    book

    data < model < fourier < runs < training < analysis < paper < figures < book < cli

What a room offers stands in its ``__init__.pyi``, each name once, and is imported when it is first used: torch alone
takes seconds, and many commands do without it.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
