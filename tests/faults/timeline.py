"""The messages of a room as one page knows them, as in static/js/chat/timeline.js."""

from __future__ import annotations

from collections.abc import Sequence

from tests.faults.history import State


class Timeline:
    """Each message once, by its place, in its latest version."""

    def __init__(self) -> None:
        self.messages: dict[int, State] = {}
        self.head: int | None = None
        self.has_older = False

    @property
    def first(self) -> int | None:
        return min(self.messages, default=None)

    def welcome(self, head: int, states: Sequence[State], *, recovered: bool, more: bool) -> None:
        if recovered:
            self.apply(states)
        else:
            self.messages.clear()
            self.has_older = more
            self.merge(states)
        self.head = head

    def change(self, after: int, head: int, states: Sequence[State]) -> bool:
        if self.head is None or after > self.head:
            return False
        self.apply(states)
        self.head = max(self.head, head)
        return True

    def merge(self, states: Sequence[State]) -> None:
        for state in states:
            if state.seq not in self.messages or state.version > self.messages[state.seq].version:
                self.messages[state.seq] = state

    def apply(self, states: Sequence[State]) -> None:
        """Take what is not older than all that is known here."""
        first = self.first
        self.merge([state for state in states if first is None or not self.has_older or state.seq >= first])
