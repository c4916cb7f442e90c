"""Stacks that are watched, or stopped, as they move on; and methods that fail when they are called again."""

from itertools import count

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


def fail_at_call(monkeypatch, owner: type, method: str, call: int, error: type[BaseException]) -> None:
    """Let a method raise at one of its calls, counted from 1."""
    original, calls = getattr(owner, method), count(1)

    def failing(self, *arguments):
        if next(calls) == call:
            raise error
        return original(self, *arguments)

    monkeypatch.setattr(owner, method, failing)


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
