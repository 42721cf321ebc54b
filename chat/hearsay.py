"""
What the pages of a process have been told of who is in a room, and how that differs from what is so.

A page is welcomed with what is known here at that moment, and hears the same tellings as all others from then on:
so one view stands for all of them, apart from those of whom it is ``unsure``.
"""

import asyncio
import json
from collections.abc import Callable, Set

from channels_core.frames import Burst

from . import events

TELLING = '{"type":"presence",'  # how the frame of a telling begins


class View:
    """
    One room, as this process has heard of it: it listens to what the pages hear.

    ``on_left`` is called with those who are told to have left.
    """

    def __init__(self, on_left: Callable[[Set[int]], None]) -> None:
        self.people: Set[int] = frozenset()
        self.is_local = False
        self.is_listening = False
        self.opened = asyncio.Event()  # it is known whom other processes have there
        # Those of whom some page may have been told otherwise, as it came at another time.
        self.unsure: set[int] = set()
        # Who came or went, found by comparing: to be told to this process only.
        self.found: dict[int, events.Event | None] = {}
        self._gone: set[int] = set()  # told to have left before it was open
        self._on_left = on_left

    def write(self, burst: Burst) -> None:
        """Take what a page is told."""
        for event in (json.loads(text) for text in burst.texts if text.startswith(TELLING)):
            joined, left = {person["id"] for person in event["joined"]}, set(event["left"])
            self.people = (self.people | joined) - left
            self.unsure -= joined | left
            self.is_local = event["local"]
            if not self.opened.is_set():
                self._gone = (self._gone | left) - joined
            if left:
                self._on_left(left)

    def open(self, others: Set[int], *, is_local: bool) -> None:
        """Take what was read of the leases; what has been told meanwhile is newer."""
        self.people |= others - self._gone
        self.is_local = is_local
        self._gone.clear()
        self.opened.set()

    def welcome(self, present: Set[int]) -> None:
        """One more page begins, with these people; those before it may have been told of others."""
        self.unsure |= present ^ self.people

    def compare(self, present: Set[int], believed: Set[int], told: Set[int], *, is_whole: bool) -> set[int]:
        """
        Find out who has gone unheard, unless the leases that ``present`` was read from are not ``is_whole``.

        Args:
            present: who is there, as the leases say.
            believed: what ``people`` was before these were read. What was told meanwhile is newer than they are.
            told: about whom everybody is told soon.

        Returns:
            Who is there unheard.
        """
        if is_whole:
            self.found |= dict.fromkeys((believed & self.people | self.unsure) - present - told)
        return {*(present - believed - self.people), *(present & self.unsure)} - told
