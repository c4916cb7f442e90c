"""Plotly figures and tables from runs, and from operations alone: each a pure function of what it is given.

Every figure carries ``layout.meta`` with a ``name``, a ``caption`` that says what it shows, with numbers taken from
the runs, and ``alt``, a text for readers who do not see it. Colours are safe for colour-blind readers, and nothing is
told by colour alone. Backgrounds and text colours are left to the page.

What is where; a module imports only from those above it::

    style     colours, dashes, names of layers and operations, the step axis
    layout    stacked plots, legends, sizes, texts in ``layout.meta``, sliders
    groups    runs under the label they are drawn with, how they ended in words, rows of tables
    curves    accuracy, FFS and FCR of many runs against step
    spectra   one run in the Fourier basis: bars and spectrograms, alone or below its accuracies
    maps      the logits in two dimensions
    tables    the numbers at the end, and test pairs that could be looked up
    coordinates  layers over the coordinates in which operations are sums
    missing   which runs are stored, and what trains the others
    points    runs as points against a number of theirs, cosines against sines
    mixtures  several operations in one run, each beside the same one alone
    modulus   one operation at several moduli (with counts from labels)
    transfers a grid of runs with and without pre-grokked modules
    verdicts  the paper's claims, and what became of them
    labels    label distributions of many operations, without runs
    restricted   logits taken apart: ablated and restricted losses, beside the paper's
    grid      Table 5: operations against fractions, from outcomes of runs
    grid_tables  the same counted, beside the paper's; operations by their formulas
    teaching  small figures of the workshops
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
