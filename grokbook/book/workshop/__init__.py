"""Self-checks of the workshops' exercises, one module per workshop, one function per exercise.

A check takes an answer and what the answer is about, computes the right one itself, and returns a
:class:`grokbook.book.workshop.verdicts.Verdict`: true or false, with a message that explains a wrong answer where it
knows what went wrong. It accepts lists, arrays and tensors, and does not raise on whatever a student hands in.

The modules are::

    verdicts    what a check returns; reading answers and comparing them
    watch       workshop 1: watch it grok
    circuit     workshop 2: read the circuit
    beyond      workshop 3: beyond addition
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
