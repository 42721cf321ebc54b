"""
What has to come out: a room as a log of numbered changes, and what is read from it.

It answers as ``chat/queries.py`` does, with numbers so small that a few changes are too many.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

MAX_CHANGES = 6
PAGE_SIZE = 3

Event = dict[str, Any]


class State(NamedTuple):
    """A message: its place, and the number of the change that made it what it is."""

    seq: int
    version: int


class Page(NamedTuple):
    messages: list[State]
    more: bool
    head: int

    @property
    def event(self) -> Event:
        return {"head": self.head, "messages": told(self.messages), "more": self.more}


class Room:
    """Each change posts a message, or edits one of before."""

    def __init__(self) -> None:
        self.log: list[int] = []  # the place of the message that each change was about
        self._versions: list[int] = []  # by place

    @property
    def head(self) -> int:
        return len(self.log)

    @property
    def messages(self) -> list[State]:
        return [State(index + 1, version) for index, version in enumerate(self._versions)]

    def change(self, kinds: Iterable[int | None]) -> tuple[int, list[State]]:
        """
        Commit changes at once: None posts, a number edits the message so many places before the last.

        Returns the head of before, and what has changed.
        """
        after = self.head
        for kind in kinds:
            if kind is None or not self._versions:
                self._versions.append(0)
                kind = 0
            seq = max(1, len(self._versions) - kind)
            self.log.append(seq)
            self._versions[seq - 1] = self.head
        return after, self._since(after)

    def has_been(self, state: State) -> bool:
        return 0 < state.version <= self.head and self.log[state.version - 1] == state.seq

    def changes(self, since: int) -> Page:
        found = self._since(since)
        if len(found) > MAX_CHANGES:
            return Page(found[:MAX_CHANGES], True, found[MAX_CHANGES - 1].version)
        return Page(found, False, self.head)

    def page(self, before: int | None = None) -> Page:
        older = self.messages[: None if before is None else before - 1]
        return Page(older[-PAGE_SIZE:], len(older) > PAGE_SIZE, self.head)

    def welcome(self, since: int | None) -> tuple[Page, bool]:
        """What somebody is welcomed with, and whether that continues what they know."""
        if since is not None:
            changes = self.changes(since)
            if not changes.more and since <= changes.head:
                return changes, True
        return self.page(), False

    def _since(self, since: int) -> list[State]:
        return sorted((state for state in self.messages if state.version > since), key=lambda state: state.version)


def told(messages: Iterable[State]) -> list[Event]:
    return [state._asdict() for state in messages]
