"""A field in a page in which a reader types a polynomial and reads its prediction, computed there.

The place holds the published law's numbers; ``static/grokbook-predict.js`` makes the field from it. Where no script
runs, and in JupyterLab, the place says which command does the same.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from IPython.display import HTML

CLASS: Final = "grokbook-predictor"
LARGEST: Final = 199
"""The largest modulus that a page looks at: there it takes seconds."""
EXAMPLES: Final = ("a^2 + 3b^2", "(a+b)^3", "ab + b", "a^2 + ab + b^2", "a^3 + 2ab", "(2a+1)(b+5)")


def place(figure: str, examples: Sequence[str] = EXAMPLES) -> HTML:
    """The place of the field in a page.

    Args:
        figure: the name of the figure in which what is predicted gets a star; see
            :func:`grokbook.figures.law_figure`.
        examples: expressions that can be chosen; the first is in the field.
    """
    from IPython.display import HTML  # pages of the book are known without Jupyter

    from grokbook.analysis import grok_law, prediction
    from grokbook.runs.config import RunConfig

    settings = {
        "law": prediction.published_law()._asdict(),
        "budget": prediction.BUDGET,
        "far": prediction.FAR,
        "moduli": prediction.MODULI,
        "quantile": NormalDist().inv_cdf((1 + grok_law.SHARE) / 2),
        "largest": LARGEST,
        "p": RunConfig.p,
        "fraction": RunConfig.fraction,
        "figure": figure,
        "examples": examples,
    }
    command = html.escape(f'grokbook predict "{examples[0]}" --p {RunConfig.p} --fraction {RunConfig.fraction:g}')
    return HTML(
        f'<div class="{CLASS}" data-settings="{html.escape(json.dumps(settings, ensure_ascii=False))}">'
        "<p>In the book this is a field, made by JavaScript. A terminal says the same: "
        f"<code>{command}</code></p>"
        "</div>"
    )
