"""A one-chapter book for the tests of `grokbook.book`: every feature a page may use, and nothing to train."""

import atexit
import tempfile
from functools import cache
from pathlib import Path
from shutil import copyfile, rmtree

from checkout import ROOT

from grokbook.book.build import build

HEADER = """---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

"""

CHAPTER = (
    HEADER
    + r"""# A travelling wave

The wave $\cos(2\pi k x / p)$ moves as the slider moves. A long formula scrolls in its own box:

$$
\sum_{k=1}^{K} \left(
  u_k \cos\frac{2\pi k a}{p} \cos\frac{2\pi k b}{p} - v_k \sin\frac{2\pi k a}{p} \sin\frac{2\pi k b}{p}
\right) = \sum_{k=1}^{K}
  \frac{u_k + v_k}{2} \cos\frac{2\pi k (a + b)}{p} + \frac{u_k - v_k}{2} \cos\frac{2\pi k (a - b)}{p}
$$

```{code-cell} ipython3
:tags: [parameters]

p: int = 31  # the modulus
steps = 5
scale: float = 1.0
name: str | None = None
```

```{code-cell} ipython3
import numpy as np
import pandas as pd
import plotly.graph_objects as go

a, b = np.meshgrid(np.arange(p), np.arange(p))
waves = [np.round(127 * np.cos(2 * np.pi * (k + 1) * (a + b) / p)).astype("int8") for k in range(steps)]
figure = go.Figure(
    go.Heatmap(z=waves[0], colorscale="Viridis"),
    frames=[go.Frame(data=[go.Heatmap(z=z)], name=str(k)) for k, z in enumerate(waves)],
)
instant = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
moves = [{"method": "animate", "label": str(k), "args": [[str(k)], instant]} for k in range(steps)]
figure.update_layout(
    height=460,
    xaxis_title="a",
    yaxis_title="b",
    sliders=[{"steps": moves, "currentvalue": {"prefix": "frequency "}}],
    meta={
        "name": "wave",
        "caption": "A wave of frequency $k$ over both inputs: <stripes> along $a + b$.",
        "alt": 'Diagonal stripes, narrower as "k" grows.',
    },
)
figure
```

```{code-cell} ipython3
x = np.arange(p)
lines = go.Figure([go.Scatter(x=x, y=np.cos(2 * np.pi * k * x / p), name=f"k = {k}") for k in (1, 2, 3)])
lines.update_layout(
    xaxis_title="$x$",
    height=360,
    updatemenus=[
        {
            "type": "buttons",
            "buttons": [
                {"label": "lines", "method": "restyle", "args": [{"mode": "lines"}]},
                {"label": "points", "method": "restyle", "args": [{"mode": "markers"}]},
            ],
        }
    ],
    meta={"name": "cosines", "caption": "Three cosines.", "alt": "Three cosine curves."},
)
lines
```

```{code-cell} ipython3
from grokbook.book import predictor

predictor.place("wave")
```

```{code-cell} ipython3
pd.DataFrame(np.outer(np.arange(1, 4), np.arange(1, 16) / 7))
```
"""
)

PARAMETERS = """```{code-cell} ipython3
:tags: [parameters]

p: int = 59  # the modulus
fraction: float = 0.3
operations: list[str] = ["a+b", "a*b # not a comment"]
device = "cpu"
limit: int | None = None
verbose = False
store = None
anything = p + 1
```
"""

INDEX = """# A sample book

::::{div} gb-hero
Type an expression, and watch it grok. {cite}`fourier1822`
::::

::::{grid} 1 2 2 2
:gutter: 3

:::{grid-item-card} A chapter
:link: notebooks/wave
:link-type: doc
One wave, one slider.
:::
:::{grid-item-card} Numbers
| quantity | value |
|---|---|
| p | 97 |
:::
::::

```{bibliography}
```
"""

REFERENCES = """@book{fourier1822,
  author = {Fourier, Joseph}, title = {Th{\\'e}orie analytique de la chaleur}, publisher = {Firmin Didot}, year = {1822}
}
"""

LOOK_UP = """# Look up

```{executions} notebooks
```

```{eval-rst}
.. currentmodule:: grokbook.fourier.transform
.. autoclass:: Spectrum
   :members:
.. currentmodule:: grokbook.training.trainer
.. autoclass:: Trainer
   :members:
```
"""

TOC = """format: jb-book
root: intro
chapters:
  - file: notebooks/wave
  - file: look_up
"""


def small_notebook(folder: Path, *cells: str, name: str = "chapter.md") -> Path:
    """Write a notebook that has parameters and these code cells."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    code = "\n".join(f"```{{code-cell}} ipython3\n{cell}\n```\n" for cell in cells)
    path.write_text(f"{HEADER}# A chapter\n\n{PARAMETERS}\n{code}")
    return path


@cache
def sample_site() -> Path:
    """Build the sample book once per test process; return the folder of its site."""
    folder = Path(tempfile.mkdtemp(prefix="grokbook-sample-"))
    atexit.register(rmtree, folder, ignore_errors=True)
    return build(write_sample_book(folder / "repository")).parent


def write_sample_book(root: Path) -> Path:
    """Lay out a repository with this project's own `_config.yml` and the sample pages."""
    (root / "book").mkdir(parents=True)
    (root / "notebooks").mkdir()
    copyfile(ROOT / "_config.yml", root / "_config.yml")
    (root / "book" / "_toc.yml").write_text(TOC)
    (root / "book" / "intro.md").write_text(INDEX)
    (root / "book" / "look_up.md").write_text(LOOK_UP)
    (root / "book" / "references.bib").write_text(REFERENCES)
    (root / "notebooks" / "wave.md").write_text(CHAPTER)
    return root
