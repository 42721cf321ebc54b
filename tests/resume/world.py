"""
A server process with its hub, three browsers, and everything that can go wrong between them.

The hub, its line and the in-memory layer are the real ones, on a loop whose clock jumps. Rules and generated cases
do the same things here; ``check`` is what has to be so after each.
"""

import asyncio
import json
from collections import deque
from collections.abc import Sequence
from typing import Any

from channels_core import line as hub_line
from channels_core import recovery
from channels_core.broadcast import Hub, broadcast
from channels_core.frames import Burst
from channels_core.layers import InMemoryChannelLayer
from channels_core.layers.manager import channel_layers
from channels_core.types import Message

from .clock import JumpingLoop
from .model import Event, Room, State, told
from .timeline import Client

GROUP = "resume.1"
ALIAS = "resume"
QUICK = (0.01, 0.01)  # seconds that a question takes to the database and back
PACES = (QUICK, (0.001, 0.001), (0.001, 0.4), (0.2, 0.001))
WAITS_S = (0.005, 0.03, 0.08, 0.25, 1.2, 6.0)
QUIET_S = 9.0  # enough for a comparison and for what it finds
SOON_S = 0.25
FATES = ("now", "soon", "late", "twice", "again")  # of what is published; "again" is now and later, too


class Layer(InMemoryChannelLayer):
    """Keeps what is published until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.under_way: list[tuple[str, Message]] = []

    async def group_send(self, group: str, message: Message) -> None:
        self.under_way.append((group, message))

    async def let_go(self, index: int) -> Message:
        group, message = self.under_way.pop(index)
        await super().group_send(group, message)
        return message


class Database:
    """The room, at the end of a way that takes time."""

    def __init__(self) -> None:
        self.room = Room()
        self.is_away = False

    async def visit(self, query: Any, pace: tuple[float, float] = QUICK) -> Any:
        there_s, back_s = pace
        await asyncio.sleep(there_s)
        if self.is_away:
            raise ConnectionError("the database is away")
        found = query()
        await asyncio.sleep(back_s)
        return found


class Line:
    """A socket: the hub writes, a client takes frame by frame, and asks."""

    def __init__(self) -> None:
        self.frames: deque[Event] = deque()
        self.questions: asyncio.Queue[Event] = asyncio.Queue()
        self.is_subscribed = False
        self.serving: asyncio.Task[None]
        self.welcomed_at: int | None = None
        self._told: list[tuple[int, int]] = []  # what was told on this line: the changes after one up to another
        self.arrived = 0  # up to where this process was told since the line is subscribed

    @property
    def is_open(self) -> bool:
        return not self.serving.done()

    @property
    def is_welcomed(self) -> bool:
        """Whether the client knows of it: the welcome is the first frame that it takes."""
        return self.welcomed_at is not None and not (self.frames and self.frames[0]["type"] == "welcome")

    def write(self, burst: Burst) -> None:
        for text in burst.texts:
            self.send(json.loads(text))

    def send(self, frame: Event) -> None:
        places = [each["seq"] for each in frame.get("messages", ())]
        assert len(set(places)) == len(places), f"A message stands twice in {frame}."
        if frame["type"] == "welcome":
            assert not self.frames, "Something was told before the welcome."
            self.welcomed_at = frame["head"]
        elif frame["type"] == "messages":
            self._told.append((frame["after"], frame["head"]))
        self.frames.append(frame)

    @property
    def reach(self) -> int:
        """Everything up to this change was told here, without a question."""
        reach = self.welcomed_at or 0
        while heads := [head for after, head in self._told if after <= reach < head]:
            reach = max(heads)
        return reach


class World:
    """
    Three clients of a room, offline, and a server.

    ``has_source`` False: the hub can ask nobody, and clients have to help themselves. ``loses`` False: they need not,
    for all that is published arrives, late or twice but in order. ``compares`` False: the hub does not look at the
    heads, and all depends on what shows that something is missing.
    """

    def __init__(self, *, has_source: bool = True, loses: bool = True, compares: bool = True) -> None:
        self.loop = JumpingLoop()
        self.layer = Layer()
        self.database = Database()
        self.clients = [Client() for _ in range(3)]
        self.lines: list[Line | None] = [None] * len(self.clients)
        self.ghosts: list[Line] = []  # their clients are gone, and the server does not know
        self._has_source = has_source
        self._loses = loses
        self._compares = compares
        self._compare_s = hub_line.COMPARE_S
        if not compares:
            hub_line.COMPARE_S = float("inf")
        if has_source:
            recovery.register(GROUP, recovery.Source(self._heads, self._fetch))
        channel_layers.set(ALIAS, self.layer)
        self.hub = Hub(self.layer)

    @property
    def room(self) -> Room:
        return self.database.room

    @property
    def fates(self) -> tuple[str, ...]:
        return (*FATES, "lost") if self._loses else FATES

    @property
    def open_lines(self) -> list[Line]:
        return [line for line in [*self.lines, *self.ghosts] if line and line.is_open]

    def close(self) -> None:
        self.loop.close()
        hub_line.COMPARE_S = self._compare_s
        recovery._sources.pop(GROUP, None)
        channel_layers.backends.pop(ALIAS)

    # The server.

    async def _heads(self, groups: Any) -> dict[str, int]:
        return await self.database.visit(lambda: dict.fromkeys(groups, self.room.head))

    async def _fetch(self, group: str, after: int) -> tuple[Event, int]:
        page = await self.database.visit(lambda: self.room.changes(after))
        return {"type": "messages", "after": after, "head": page.head, "messages": told(page.messages)}, page.head

    async def _serve(self, line: Line, since: int | None, pace: tuple[float, float]) -> None:
        """What RoomConsumer does."""
        try:
            async with self.hub.subscribing(line, GROUP):
                line.is_subscribed = True
                page, recovered = await self.database.visit(lambda: self.room.welcome(since), pace)
                self.hub.start_at(GROUP, page.head)
                line.send({"type": "welcome", "recovered": recovered, **page.event})
            while True:
                question = await line.questions.get()
                line.send(await self._answer(question, pace))
        except ConnectionError:
            pass  # 1011: the client comes back
        finally:
            line.is_subscribed = False
            await self.hub.unsubscribe(line, GROUP)

    async def _answer(self, question: Event, pace: tuple[float, float]) -> Event:
        try:
            match question:
                case {"type": "message.post", "fate": fate}:
                    _, [state] = await self.database.visit(lambda: self._post(fate), pace)
                    answer: Event = {"message": state._asdict()}
                case {"since": since}:
                    answer = (await self.database.visit(lambda: self.room.changes(since), pace)).event
                case {"before": before}:
                    answer = (await self.database.visit(lambda: self.room.page(before), pace)).event
        except ConnectionError:
            return {"type": "reply", "ref": question["ref"], "ok": False}
        return {"type": "reply", "ref": question["ref"], "ok": True, **answer}

    def _post(self, fate: str) -> tuple[int, list[State]]:
        after, changed = self.room.change([None])
        self.loop.create_task(self._publish(after, changed, fate))
        return after, changed

    async def _publish(self, after: int, changed: list[State], fate: str) -> None:
        head = changed[-1].version
        event = {"type": "messages", "after": after, "head": head, "messages": told(changed)}
        for _ in range({"lost": 0, "twice": 2, "again": 2}.get(fate, 1)):
            await broadcast(GROUP, event, after=after, head=head, using=ALIAS)
        for _ in range({"now": 1, "twice": 2, "again": 1}.get(fate, 0)):
            await self._let_go(-1 if self._loses else 0)  # what waits goes first, or is overtaken
        if fate == "soon":
            self.loop.create_task(self._let_go_soon(self.layer.under_way[-1]))

    async def _let_go_soon(self, published: tuple[str, Message]) -> None:
        await asyncio.sleep(SOON_S)
        if published in self.layer.under_way:
            await self._let_go(self.layer.under_way.index(published) if self._loses else 0)

    async def _let_go(self, index: int) -> None:
        message = await self.layer.let_go(index)
        for line in self.open_lines:
            if line.is_subscribed:
                line.arrived = max(line.arrived, message["head"])

    # What can happen.

    def change(self, kinds: list[int | None], fate: str) -> None:
        after, changed = self.room.change(kinds)
        self.loop.run(self._publish(after, changed, fate))
        self.loop.settle()

    def arrive(self, index: int) -> None:
        """Something that was late gets here."""
        if waiting := len(self.layer.under_way):
            self.loop.run(self._let_go(index % waiting if self._loses else 0))
            self.loop.settle()

    def connect(self, number: int, pace: tuple[float, float] = QUICK) -> None:
        client = self.clients[number]
        if self.lines[number] is None:
            line = self.lines[number] = Line()
            line.serving = self.loop.create_task(self._serve(line, client.since, pace))
            client.connect(line.questions.put_nowait)
            self.loop.settle()

    def lose(self, number: int, *, is_noticed: bool) -> None:
        """A line is cut, with what is on its way; the server may not notice for a while."""
        line, self.lines[number] = self.lines[number], None
        self.clients[number].lose()
        if line:
            self.ghosts.append(line)
        if is_noticed:
            self.notice()

    def notice(self) -> None:
        """The server ends the lines that are dead."""
        for line in self.ghosts:
            line.serving.cancel()
        self.ghosts.clear()
        self.loop.settle()

    def hear(self, number: int, most: int = 1000) -> None:
        """A client takes frames; after the last one of a line that the server has ended, it knows."""
        client, line = self.clients[number], self.lines[number]
        while line and line.frames and most:
            most -= 1
            frame, before = line.frames.popleft(), client.timeline.head
            client.receive(frame)
            is_fresh = frame["type"] == "welcome" and not frame["recovered"]
            assert is_fresh or before is None or client.timeline.head >= before, "A head went back."
            self.loop.settle()
        if line and not line.frames and not line.is_open:
            self.lose(number, is_noticed=True)

    def hear_all(self) -> None:
        for number in range(len(self.clients)):
            self.hear(number)

    def restart(self, paces: Sequence[tuple[float, float]], kinds: list[int | None], fate: str) -> None:
        """Another server process takes over; while all come back to it at once the room changes."""
        for number in range(len(self.clients)):
            self.lose(number, is_noticed=True)
        self.hub = Hub(self.layer)
        for number, pace in enumerate(paces):
            self.connect(number, pace)
        self.wait(0.015)
        self.change(kinds, fate)

    def post(self, number: int, fate: str) -> None:
        if self.is_welcomed(number):
            self.clients[number].post(fate=fate)
            self.loop.settle()

    def go_back(self, number: int, back: int, fate: str) -> None:
        """A client asks for older messages; while they are on their way that so far before its first is edited."""
        if self.is_welcomed(number):
            self.clients[number].go_back()
            self.wait(0.015)
            self.change([len(self.room.messages) - (self.clients[number].timeline.first or 1) + back], fate)

    def is_welcomed(self, number: int) -> bool:
        """Whether the client has a line, and knows it."""
        line = self.lines[number]
        return line is not None and line.is_welcomed

    def beat(self) -> None:
        if not self.database.is_away:
            self.loop.call_soon(self.hub.tell, GROUP, {"type": "beat", "head": self.room.head})
            self.loop.settle()

    def lose_database(self) -> None:
        """Until the next quiet moment or ``find_database``. Without comparing nobody would find what it had then."""
        self.database.is_away = self._compares

    def find_database(self) -> None:
        self.database.is_away = False

    def wait(self, seconds: float) -> None:
        self.loop.run(asyncio.sleep(seconds))

    # What has to be so.

    def check(self) -> None:
        for client in self.clients:
            self._check_timeline(client)
        if not self._loses:
            self._check_arrived()

    def _check_timeline(self, client: Client) -> None:
        timeline = client.timeline
        if timeline.head is None:
            return
        known = dict(timeline.messages)
        for state in timeline.messages:
            assert self.room.has_been(state), f"{state} never was."
        for seq, version in self.room.messages:
            is_shown = not timeline.has_older or (timeline.first is not None and seq >= timeline.first)
            if is_shown and version <= timeline.head:
                assert known.get(seq) == version, f"{seq} is {version} at {timeline.head}, not {known.get(seq)}."

    def _check_arrived(self) -> None:
        """What the layer brought was told."""
        for line in self.open_lines:
            if line.welcomed_at is not None:
                assert line.reach >= line.arrived, f"{line.arrived} has arrived, and {line.reach} was told."

    def check_quiet(self) -> None:
        """With the database there and some seconds without publishing, each line was told all, unasked."""
        self.database.is_away = False
        self.wait(QUIET_S)
        if self._has_source and self._compares:
            for line in self.open_lines:
                assert line.reach == self.room.head, f"{self.room.head} has happened, and {line.reach} was told."
        elif self._has_source or not self._loses:
            self._check_arrived()

    def check_end(self) -> None:
        """What is late is lost, everybody comes back and hears a beat: all know the same, and that is what is so."""
        self.database.is_away = False
        while self.layer.under_way and not self._loses:
            self.arrive(0)
        self.layer.under_way.clear()
        self.check_quiet()
        for number in range(len(self.clients)):
            self.hear(number)
            self.connect(number)
        self.check_quiet()
        self.beat()
        for _ in range(self.room.head + 2):
            self.hear_all()
            self.wait(1)
        for client in self.clients:
            timeline = client.timeline
            assert timeline.head == self.room.head
            first = timeline.first if timeline.has_older and timeline.first else 1
            assert timeline.messages == self.room.messages[first - 1 :]
