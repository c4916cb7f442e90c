"""``grokbook claims``."""

from __future__ import annotations

import json

from grokbook.cli.common import Json, print_table


def claims(as_json: Json = False) -> None:
    """Judge the paper's claims by the stored runs. Nothing is trained."""
    from grokbook.paper.claims import counted, judge
    from grokbook.training.ensure import default_store

    judgements = judge(default_store())
    if as_json:
        print(json.dumps([judgement.to_dict() for judgement in judgements], indent=2))
        return
    print_table(
        ["", "the paper says", "verdict", "seeds", "numbers kept"],
        ([each.claim.name, each.claim.says, each.verdict.value, each.seeds, each.kept] for each in judgements),
    )
    print(counted(judgements))
