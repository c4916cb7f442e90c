"""When runs are evaluated."""

from grokbook.runs import grokking


def walk(eval_every: int, last: int) -> list[int]:
    steps = [0]
    while steps[-1] < last:
        steps.append(grokking.next_evaluation(steps[-1], eval_every, last))
    return steps
