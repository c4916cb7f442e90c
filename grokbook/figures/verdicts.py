"""Tables of the paper's claims and of what became of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from IPython.display import HTML

from grokbook.figures.groups import NOT_YET_RUN, Row, as_table, span
from grokbook.figures.tables import number_text, subscripted, table
from grokbook.paper.claims import Criterion, Judgement, Verdict, kept


@as_table
def claims_table(judgements: Sequence[Judgement]) -> Iterator[Row]:
    """One row per claim. "Other limits": the verdict with limits moved to either side, where it is another one."""
    for judgement in judgements:
        yield {
            "claim": judgement.claim.name,
            "verdict": judgement.verdict.value,
            "the paper says": judgement.claim.says,
            "seeds": judgement.seeds,
            "numbers kept": judgement.kept,
            "other limits": "; ".join(f"{name}: {other.value}" for name, other in judgement.elsewhere.items()) or "–",
        }


@as_table
def criteria_table(judgement: Judgement) -> Iterator[Row]:
    """One row per criterion of a claim: its numbers over seeds, the limit, and what a random start gives."""
    for criterion in judgement.criteria:
        yield {
            "number": criterion.what,
            "median": _number(criterion.median) if criterion.values else NOT_YET_RUN,
            "limit": criterion.limit,
            "before training": _start(criterion),
            "kept by": kept([criterion]),
            "range": _spread(criterion),
        }


def claim_section(judgement: Judgement, address: str, title: str) -> HTML:
    """A claim with its verdict, its criteria, a link to its figures, and how to run it again."""
    claim = judgement.claim
    judged = judgement.verdict is not Verdict.NOT_YET_RUN
    by = f" (by {judgement.seeds} seed{'s' * (judgement.n != (1, 1))})" if judged else ""
    notes = [f"With {name} limits: {other.value}." for name, other in judgement.elsewhere.items()]
    notes += [f"Seeds disagree on: {criterion.what}." for criterion in judgement.disagreeing]
    return HTML(
        f'<section id="{claim.name.lower()}" class="claim">'
        f"<h3>{claim.name}: {judgement.verdict.value}{by}</h3>"
        f"<p>{escape(claim.says)} <em>({escape(claim.where)})</em></p>"
        f'<div class="pst-scrollable-table-container">{table(criteria_table(judgement)).data}</div>'
        + "".join(f"<p>{subscripted(escape(note))}</p>" for note in notes)
        + f'<p>Figures: <a href="{escape(address)}">{escape(title)}</a>. '
        f"To train what is missing of its runs: <code>{escape(claim.rerun)}</code></p></section>"
    )


def _number(value: float) -> str:
    return "none" if math.isnan(value) else number_text(value)


def _spread(criterion: Criterion) -> str:
    if len(criterion.numbers) < 2:
        return "–"
    return span([_number(extreme(criterion.numbers)) for extreme in (min, max)], " to ")


def _start(criterion: Criterion) -> str:
    starts = [each.start for each in criterion.values if each.start is not None]
    return _number(sum(starts) / len(starts)) if starts else "–"
