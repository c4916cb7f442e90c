"""Stacks that are watched, or stopped, as they move on."""

from grokbook.training.engine import Stack


def interrupt_at(monkeypatch, step: int, *, midway: bool = False) -> None:
    """Press Ctrl-C before the stack moves on from ``step``; midway, one update later."""
    advance = Stack.advance

    def interrupted(self: Stack, steps: int) -> None:
        if self.steps[0] >= step:
            if midway:
                advance(self, 1)
            raise KeyboardInterrupt
        advance(self, steps)

    monkeypatch.setattr(Stack, "advance", interrupted)


def begins(monkeypatch) -> list[int]:
    """The step at which each stack is from now on when it first moves on, a list that grows."""
    advance, seen, steps_of = Stack.advance, [], []

    def noted(self: Stack, steps: int) -> None:
        if self not in seen:
            seen.append(self)
            steps_of.append(self.steps[0])
        advance(self, steps)

    monkeypatch.setattr(Stack, "advance", noted)
    return steps_of
