"""The book: from notebooks and prose pages to a static site that needs no server and no network.

Notebooks are executed, then the pages are built::

    notebooks/*.md --execute--> book/notebooks/*.ipynb --build--> book/_build/html/index.html

    grokbook.book.pair         keeps the output-free `notebooks/*.ipynb` equal to their `.md` source
    grokbook.book.parameters   what a notebook can be told, and a check of values before any work
    grokbook.book.staleness    hashes of what notebooks and site depend on
    grokbook.book.execute      runs notebooks through papermill, and only those that something made stale
    grokbook.book.build        both of these, then jupyter-book with warnings as errors
    grokbook.book.sphinx_ext   vendored plotly.js and MathJax, our script and stylesheet, nothing from a CDN
    grokbook.book.plotly_mime  turns a Plotly output into a placeholder and a side file drawn on demand

Importing this package imports none of them: the training path must run where plotly and Jupyter are missing.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
