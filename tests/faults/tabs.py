"""A browser's tab without a browser: it posts, is told and asks as static/js/chat/chat-room.js does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from uuid import UUID

from tests.faults.history import Record, State, Telling
from tests.faults.lines import Frame, Line
from tests.faults.timeline import Timeline

MAX_OUTBOX = 5  # people who see that nothing is sent write less


@dataclass
class Draft:
    client_id: str
    text: str


@dataclass
class Person:
    """Somebody with an account and the cookie of a log-in."""

    id: int
    cookie: str


class Tab(Line):
    """One person in one room, who writes a record."""

    def __init__(self, name: str, person: Person, room: str, servers: Sequence[int], random: Random) -> None:
        super().__init__(Record(name, person.id, room), person.cookie, servers, random)
        self.timeline = Timeline()
        self.outbox: list[Draft] = []
        self.filler = ""  # makes what it says longer
        self.is_slow = False  # it has been made so: when it is told something says nothing about the server
        self._person = person
        self._written = 0
        self._newest = 0
        self._is_sending = self._is_catching_up = False

    def __repr__(self) -> str:
        return self.record.name

    @property
    def path(self) -> str:
        since = "" if self.timeline.head is None else f"?since={self.timeline.head}"
        return f"/ws/rooms/{self.record.room}/{since}"

    def resume(self) -> None:
        self.start(self._send_drafts())

    def hear(self, frame: Frame) -> None:
        record, at = self.record, asyncio.get_running_loop().time()
        match frame["type"]:
            case "welcome":
                self.expect_beats(frame["beat_s"])
                states, recovered = _states(frame), frame["recovered"]
                if self.timeline.head is None:
                    record.origin = max((state.seq for state in states), default=0)
                self.timeline.welcome(frame["head"], states, recovered=recovered, more=frame.get("more", False))
                rooms = _slugs(frame.get("rooms", []))
                record.told.append(Telling(at, "welcome", states, is_fresh=not recovered, rooms=rooms))
            case "messages":
                states = _states(frame)
                if self.timeline.change(frame["after"], frame["head"], states):
                    record.told.append(Telling(at, "messages", states))
                else:
                    self.start(self._catch_up(frame["head"]))
            case "beat":
                record.told.append(Telling(at, "beat"))
                self.start(self._catch_up(frame["head"]))
            case kind:
                room = frame.get("room", [])
                record.told.append(Telling(at, kind, rooms=_slugs([room] if room else [])))

    async def _catch_up(self, head: int) -> None:
        self._newest = max(self._newest, head)
        if self._is_catching_up:
            return
        self._is_catching_up = True
        try:
            while self.timeline.head is not None and self.timeline.head < self._newest:
                after = self.timeline.head
                reply = await self.ask({"type": "history.get", "since": after})
                if not (reply and reply["ok"]):
                    break  # the line is lost, and the next welcome brings it all
                self.timeline.change(after, reply["head"], _states(reply))
                self._tell("changes", _states(reply))
                if reply["head"] <= after:
                    self._newest = after
        finally:
            self._is_catching_up = False

    async def scroll_up(self) -> None:
        """Read back to where the tab was first, if it has started afresh since."""
        while self.timeline.has_older and (first := self.timeline.first) and first > self.record.origin + 1:
            reply = await self.ask({"type": "history.get", "before": first, "limit": 100})
            if not (reply and reply["ok"]):
                return
            self.timeline.has_older = reply["more"]
            self.timeline.merge(_states(reply))
            self._tell("page", _states(reply))

    def _tell(self, kind: str, states: list[State]) -> None:
        self.record.told.append(Telling(asyncio.get_running_loop().time(), kind, states))

    # --- What is asked

    def write(self) -> None:
        """Say something, now or as soon as there is a line."""
        self._written += 1
        client_id = str(UUID(int=self.random.getrandbits(128), version=4))
        self.record.posted[client_id] = asyncio.get_running_loop().time()
        self.outbox.append(Draft(client_id, f"{self.record.name} says {self._written} {self.filler}".strip()))
        self.start(self._send_drafts())

    def change_mind(self) -> None:
        """Edit or delete something of one's own."""
        mine = [state for state in self.timeline.messages.values() if state.author == self._person.id]
        mine = [state for state in mine if not state.deleted]
        if mine:
            self.start(self._change(self.random.choice(mine), deletes=self.random.random() < 0.25))

    async def talk(self, pause_s: float) -> None:
        """Write now and then, without end; change one's mind sometimes."""
        while True:
            await asyncio.sleep(self.random.expovariate(1 / pause_s))
            if self.random.random() < 0.15:
                self.change_mind()
            elif len(self.outbox) < MAX_OUTBOX:
                self.write()

    async def _change(self, state: State, *, deletes: bool) -> None:
        frame: Frame = {"type": "message.delete" if deletes else "message.edit", "id": state.id}
        if not deletes:
            frame["text"] = f"{self.record.name} thinks again {self.random.random()}"
        reply = await self.insist(frame)
        if reply and reply["ok"]:
            self.record.changed.append(State.of(reply["message"]))
            self._merge_reply(reply)

    async def _send_drafts(self) -> None:
        if self._is_sending:
            return
        self._is_sending = True
        try:
            while self.outbox:
                draft = self.outbox[0]
                reply = await self.insist({"type": "message.post", "client_id": draft.client_id, "text": draft.text})
                if not reply:
                    break  # the next line goes on here
                self.outbox.pop(0)
                if reply["ok"]:
                    at = asyncio.get_running_loop().time()
                    self.record.acknowledged[draft.client_id] = (at, State.of(reply["message"]))
                    self._merge_reply(reply)
                else:
                    self.record.refused.append(reply["error"]["code"])
        finally:
            self._is_sending = False

    def _merge_reply(self, reply: Frame) -> None:
        states = [State.of(reply["message"])]
        self.timeline.apply(states)
        self._tell("reply", states)


def _states(frame: Frame) -> list[State]:
    return [State.of(message) for message in frame["messages"]]


def _slugs(rooms: Sequence[Frame | str]) -> list[str]:
    return [room if isinstance(room, str) else room["slug"] for room in rooms]
