"""``grokbook claims``."""

from __future__ import annotations

import json

from rich import box
from rich.console import Console
from rich.table import Table

from grokbook.cli.common import Json, short_errors


def claims(as_json: Json = False) -> None:
    """Judge the paper's claims by the stored runs. Nothing is trained."""
    from grokbook.paper.claims import counted, judge
    from grokbook.training.ensure import default_store

    with short_errors():
        judgements = judge(default_store())
    if as_json:
        print(json.dumps([judgement.to_dict() for judgement in judgements], indent=2))
        return
    table = Table("", "the paper says", "verdict", "seeds", "numbers kept", box=box.SIMPLE_HEAD)
    for judgement in judgements:
        claim, verdict = judgement.claim, judgement.verdict.value
        table.add_row(claim.name, claim.says, verdict, judgement.seeds, judgement.kept)
    Console().print(table)
    print(counted(judgements))
