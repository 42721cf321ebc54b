"""
What happened, and whether it was right: the record of each simulated tab, what was stored, and the invariants.

``check`` is a pure function, so that its own tests can hand it histories in which something is wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

GRACE_S = 2.0  # how long who was put out of a room may still be told of it; one is promised, one for a busy machine


class State(NamedTuple):
    """A message as it was told, or as it is stored."""

    id: int
    seq: int
    version: int
    client_id: str
    author: int | None
    text: str
    deleted: bool

    @classmethod
    def of(cls, message: dict[str, Any]) -> State:
        """From the shape of the wire."""
        author = message["author"] and message["author"]["id"]
        return cls(
            message["id"],
            message["seq"],
            message["version"],
            message["client_id"],
            author,
            message["text"],
            bool(message["deleted"]),
        )


class Telling(NamedTuple):
    """
    What a tab was told at a time: a frame of this type, or the answer to a question.

    That is a ``reply`` to a change of its own, ``changes`` since a head, or a ``page`` of history.
    """

    at: float
    kind: str
    states: Sequence[State] = ()
    is_fresh: bool = False  # what the tab knew before is void
    rooms: Sequence[str] = ()  # that it names


@dataclass
class Record:
    """What one tab went through in one room."""

    name: str
    person: int
    room: str
    origin: int = 0  # the room's last place when the tab first saw it: what came later is owed to it
    is_owed: bool = True  # it is a member to the end, and online then
    put_out_at: float | None = None  # when it ceased to be a member
    posted: dict[str, float] = field(default_factory=dict)  # client_id -> when it was written
    acknowledged: dict[str, tuple[float, State]] = field(default_factory=dict)
    changed: list[State] = field(default_factory=list)  # acknowledged edits and deletions
    refused: list[str] = field(default_factory=list)  # posts that were refused for good: the codes
    told: list[Telling] = field(default_factory=list)
    shown: list[State] = field(default_factory=list)  # what stands on its page at the end
    closes: Counter[int] = field(default_factory=Counter)  # how its lines ended; 1006: without a word
    unwelcome: int = 0  # tries that failed, and lines that ended before the welcome
    online: list[list[float]] = field(default_factory=list)  # from when to when it had a line; the last may be open


@dataclass
class Stored:
    """What a room is in the database at the end."""

    head: int
    last_seq: int
    members: set[int]
    messages: list[State]


class Violation(NamedTuple):
    """Something that must not be. ``kind``: lost, doubled, disordered, leaked, untrue, cut."""

    kind: str
    text: str


@dataclass
class Verdict:
    """The numbers of a history, and what is wrong with it."""

    acknowledged: int = 0
    owed: int = 0  # deliveries: one message at one tab
    delivered: int = 0
    violations: list[Violation] = field(default_factory=list)

    def count(self, kind: str) -> int:
        return sum(violation.kind == kind for violation in self.violations)


def check(records: Sequence[Record], rooms: Mapping[str, Stored]) -> Verdict:
    """
    Whether this history keeps every promise:

    - acknowledged means stored, under the number that was told;
    - each ``client_id`` is stored once, and numbers have no gaps;
    - stored means delivered: each tab that is owed it shows it, once, in its latest version;
    - new messages are told in the order of their places;
    - a message that is told is one that is stored, and a version of it has one content only;
    - nobody is told anything of a room that they are no member of.
    """
    verdict = Verdict()
    for slug, room in rooms.items():
        verdict.violations += _numbered(slug, room)
    seen: dict[tuple[int, int], State] = {}
    ends = {(record.person, record.room): record.put_out_at for record in records if record.put_out_at is not None}
    for record in records:
        room = rooms[record.room]
        verdict.acknowledged += len(record.acknowledged)
        verdict.violations += _kept(record, room)
        verdict.violations += _ordered(record)
        verdict.violations += _true(record, room, seen)
        verdict.violations += _private(record, rooms, ends)
        if record.is_owed:
            owed = {state.seq: state for state in room.messages if state.seq > record.origin}
            shown = {state.seq: state for state in record.shown}
            verdict.owed += len(owed)
            verdict.delivered += sum(shown.get(seq) == state for seq, state in owed.items())
            verdict.violations += _shown(record, owed)
    return verdict


def _numbered(slug: str, room: Stored) -> Iterator[Violation]:
    """What is stored has the numbers 1, 2, 3, each post once."""
    by_client = Counter((state.author, state.client_id) for state in room.messages)
    for (_, client_id), count in by_client.items():
        if count > 1:
            yield Violation("doubled", f"{client_id} is stored {count} times in {slug}.")
    if sorted(state.seq for state in room.messages) != list(range(1, room.last_seq + 1)):
        yield Violation("lost", f"The places in {slug} have a gap, or end elsewhere than at {room.last_seq}.")
    versions = [state.version for state in room.messages]
    if len(set(versions)) != len(versions) or max(versions, default=0) > room.head:
        yield Violation("untrue", f"Two messages of {slug} have the same number, or one is above the head {room.head}.")


def _kept(record: Record, room: Stored) -> Iterator[Violation]:
    """What was acknowledged is stored."""
    stored = {(state.author, state.client_id): state for state in room.messages}
    for client_id, (_, told) in record.acknowledged.items():
        state = stored.get((record.person, client_id))
        if state is None:
            yield Violation("lost", f"{record.name} was acknowledged {client_id}, which is not stored.")
        elif (state.id, state.seq) != (told.id, told.seq):
            yield Violation("untrue", f"{record.name} was acknowledged place {told.seq}, but it has {state.seq}.")
    by_id = {state.id: state for state in room.messages}
    for told in record.changed:
        if (state := by_id.get(told.id)) is None or state.version < told.version:
            yield Violation("lost", f"{record.name} was acknowledged change {told.version}, which is not stored.")
    for code in record.refused:
        if record.put_out_at is None or code != "not_a_member":
            yield Violation("lost", f"A post of {record.name} was refused: {code}.")


def _ordered(record: Record) -> Iterator[Violation]:
    """
    New messages come in the order of their places: later ones in later tellings.

    Within one telling they come by version, so one that was edited meanwhile is behind its followers. Replies and
    pages of history stand beside that order.
    """
    last, known = 0, set[int]()
    for telling in record.told:
        if telling.is_fresh:
            last, known = 0, set()
        if telling.kind in ("reply", "page"):
            known |= {state.seq for state in telling.states}
            continue
        for state in telling.states:
            if state.seq not in known and record.origin < state.seq < last:
                yield Violation("disordered", f"{record.name} was told place {state.seq} after place {last}.")
        known |= {state.seq for state in telling.states}
        last = max([last, *(state.seq for state in telling.states)])


def _true(record: Record, room: Stored, seen: dict[tuple[int, int], State]) -> Iterator[Violation]:
    """What was told is what is stored, or was on the way to it."""
    by_id = {state.id: state for state in room.messages}
    for state in _all_told(record):
        stored = by_id.get(state.id)
        if stored is None:
            yield Violation("untrue", f"{record.name} was told message {state.id}, which {record.room} does not have.")
        elif state.version > stored.version or (state.seq, state.client_id) != (stored.seq, stored.client_id):
            yield Violation("untrue", f"{record.name} was told {state}, but stored is {stored}.")
        elif state != seen.setdefault((state.id, state.version), state):
            yield Violation("untrue", f"Version {state.version} of {record.room} was told in two ways.")
        elif state.version == stored.version and state != stored:
            yield Violation("untrue", f"{record.name} was told {state}, but stored is {stored}.")


def _private(record: Record, rooms: Mapping[str, Stored], ends: Mapping[tuple[int, str], float]) -> Iterator[Violation]:
    """Nobody is told anything of a room that they are no member of. ``ends``: when memberships ended."""
    for telling in record.told:
        for slug in {record.room, *telling.rooms}:
            is_member = slug in rooms and record.person in rooms[slug].members
            if not is_member and telling.at > ends.get((record.person, slug), 0) + GRACE_S:
                yield Violation("leaked", f"{record.name} was told of {slug} ({telling.kind}) and is no member.")


def _shown(record: Record, owed: dict[int, State]) -> Iterator[Violation]:
    """The page shows everything that is owed, once, as it is now."""
    shown = {state.seq: state for state in record.shown if state.seq > record.origin}
    for seq, state in owed.items():
        if seq not in shown:
            yield Violation("lost", f"{record.name} does not show place {seq} of {record.room} ({state.client_id}).")
        elif shown[seq] != state:
            yield Violation(
                "lost", f"{record.name} shows version {shown[seq].version} of place {seq}, not {state.version}."
            )
    for key, count in Counter(state.id for state in record.shown).items():
        if count > 1:
            yield Violation("doubled", f"{record.name} shows message {key} {count} times.")
    for seq in shown.keys() - owed.keys():
        yield Violation("untrue", f"{record.name} shows place {seq}, which {record.room} does not have.")


def _all_told(record: Record) -> Iterator[State]:
    for telling in record.told:
        yield from telling.states
    yield from (state for _, state in record.acknowledged.values())
    yield from record.changed
