"""
The browser's end of docs/protocol.md: ``Timeline`` is static/js/chat/timeline.js, ``Client`` is in chat-room.js.

Drafts are left out. A client writes down what its timeline was given, for ``tests/js/resume.test.js``.
"""

from collections.abc import Callable, Iterable
from typing import Any

from .model import Event, State

Step = list[Any]


class Timeline:
    """Messages, each once, in the latest version that is known."""

    def __init__(self) -> None:
        self.head: int | None = None
        self.has_older = False
        self._versions: dict[int, int] = {}
        self._unseen: dict[int, int] = {}  # older than all that is known

    @property
    def messages(self) -> list[State]:
        return [State(*each) for each in sorted(self._versions.items())]

    @property
    def first(self) -> int | None:
        return min(self._versions, default=None)

    def welcome(self, recovered: bool, head: int, messages: Iterable[State], more: bool) -> None:
        if recovered:
            self.apply(messages)
        else:
            self._versions.clear()
            self._unseen.clear()
            self.has_older = more
            self._take(self._versions, messages)
        self.head = head

    def change(self, after: int, head: int, messages: Iterable[State]) -> bool:
        """False, and nothing is taken, if something before is not known."""
        if self.head is None or after > self.head:
            return False
        self.apply(messages)
        self.head = max(self.head, head)
        return True

    def prepend(self, messages: Iterable[State], more: bool) -> None:
        """The page may have been read before changes that are known here: those have waited for it."""
        self.has_older = more
        for seq, version in messages:
            self._take(self._versions, [State(seq, max(version, self._unseen.get(seq, 0)))])

    def apply(self, messages: Iterable[State]) -> None:
        for state in messages:
            is_within = not self.has_older or (self.first is not None and state.seq >= self.first)
            self._take(self._versions if is_within else self._unseen, [state])

    def _take(self, known: dict[int, int], messages: Iterable[State]) -> None:
        for seq, version in messages:
            known[seq] = max(version, known.get(seq, 0))


class Client:
    """
    A page with the room open.

    ``steps`` are what its timeline was given: name, arguments, and ``state()`` after it. States are flat lists of
    places and versions.
    """

    def __init__(self) -> None:
        self.timeline = Timeline()
        self.since: int | None = None  # where a next line goes on
        self.steps: list[Step] = []
        self._ask: Callable[[Event], None] | None = None  # the line
        self._answers: dict[int, Callable[[Event], None]] = {}
        self._last_ref = 0
        self._newest = 0
        self._is_catching_up = False
        self._is_going_back = False

    def connect(self, ask: Callable[[Event], None]) -> None:
        self._ask = ask

    def lose(self) -> None:
        """The line is gone; the next welcome answers what was asked."""
        self._ask = None
        self._answers.clear()
        self._is_catching_up = self._is_going_back = False

    def receive(self, frame: Event) -> None:
        then = None
        match frame["type"]:
            case "welcome":
                self._do("welcome", frame["recovered"], frame["head"], states(frame), frame["more"])
            case "messages":
                if not self._do("change", frame["after"], frame["head"], states(frame)):
                    self._catch_up(frame["head"])
            case "beat":
                self._catch_up(frame["head"])
            case "reply":
                then = self._answers.pop(frame["ref"], None)
        self.since = self.timeline.head
        if then:  # in a browser, too, who has asked goes on after this
            then(frame)

    def post(self, **how: Any) -> None:
        """Say something."""

        def acknowledge(reply: Event) -> None:
            if reply["ok"]:
                self._do("apply", [State(**reply["message"])])

        self._send({"type": "message.post", **how}, acknowledge)

    def go_back(self) -> None:
        """Ask for the page before the oldest message, as somebody who scrolls."""

        def prepend(reply: Event) -> None:
            self._is_going_back = False
            if reply["ok"]:
                self._do("prepend", states(reply), reply["more"])

        if self.timeline.has_older and not self._is_going_back:
            self._is_going_back = True
            self._send({"type": "history.get", "before": self.timeline.first}, prepend)

    def state(self) -> list[Any]:
        """Head, whether older messages exist, and what is known."""
        return [self.timeline.head, self.timeline.has_older, flat(self.timeline.messages)]

    def _catch_up(self, head: int) -> None:
        """Ask for changes that were not told, until the change ``head`` is known."""
        self._newest = max(self._newest, head)
        if not self._is_catching_up:
            self._is_catching_up = True
            self._ask_on()

    def _ask_on(self) -> None:
        after = self.timeline.head or 0

        def take(reply: Event) -> None:
            self._is_catching_up = reply["ok"]
            if reply["ok"]:
                self._do("change", after, reply["head"], states(reply))
                if reply["head"] <= after:
                    self._newest = after
                self._ask_on()

        if after < self._newest:
            self._send({"type": "history.get", "since": after}, take)
        else:
            self._is_catching_up = False

    def _send(self, question: Event, take: Callable[[Event], None]) -> None:
        assert self._ask is not None, "Nobody asks without a line."
        self._last_ref += 1
        self._answers[self._last_ref] = take
        self._ask({**question, "ref": self._last_ref})

    def _do(self, name: str, *arguments: Any) -> Any:
        result = getattr(self.timeline, name)(*arguments)
        plain = [flat(each) if isinstance(each, list) else each for each in arguments]
        self.steps.append([name, plain, result, self.state()])
        return result


def states(frame: Event) -> list[State]:
    return [State(**each) for each in frame["messages"]]


def flat(messages: Iterable[State]) -> list[int]:
    return [number for state in messages for number in state]
