"""
What was said in a room and who got it: every member each message, once, in the order of its sender.

Members of a room usually get the same frames in the same order. So the first who gets a frame takes it apart and
enters it, and for the others it is enough to compare it with that entry, which costs next to nothing. Who gets
another order (two servers may differ in that) is looked after by itself from there on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from .wire import Raw, Said, read

MANY = 20  # faults that are told
STRAYED = -1  # the place of a member that got another order: the last entry, which is never equal to a frame


class Ledger:
    """The frames of one room, as far as the sockets of one process have got them."""

    def __init__(self, protocol: Raw) -> None:
        self.protocol = protocol
        self.size = 0  # of each payload, in bytes
        self.faults: list[str] = []
        self.members: list[Member] = []
        # None is equal to no frame: whoever has got all of them finds it at the end.
        self.frames: list[bytes | None] = [None]
        self.said: list[list[Said]] = []
        self.numbers: Counter[int] = Counter()  # the last message of each sender in these frames
        self._known: dict[bytes, list[Said]] = {}

    def parse(self, frame: bytes) -> list[Said] | None:
        """The messages of a frame; None where it is about something else. What is not whole is a fault."""
        if frame not in self._known:
            texts = self.protocol.texts(frame)
            if texts is None:
                return None
            whole: list[Said] = []
            for text in texts:
                try:
                    whole.append(read(text, self.size))
                except ValueError as error:
                    self.fault(f"A message is not whole: {error}")
            self._known[frame] = whole
        return self._known[frame]

    def enter(self, frame: bytes, said: list[Said]) -> None:
        """A frame that nobody here has had yet."""
        check(said, self.numbers, self.fault)
        self.frames[-1] = frame
        self.frames.append(None)
        self.said.append(said)

    def fault(self, sentence: str) -> None:
        if len(self.faults) < MANY:
            self.faults.append(sentence)

    def delivered(self) -> int:
        """How many messages the members have got since the last ``clear``, all together."""
        sums = [0]
        for said in self.said:
            sums.append(sums[-1] + len(said))
        return sum(member.strayed if member.position == STRAYED else sums[member.position] for member in self.members)

    def is_complete(self, posted: Counter[int]) -> bool:
        """Whether each member has got everything up to these numbers."""
        return self.numbers == posted and all(member.numbers() == posted for member in self.members)

    def complain(self, posted: Counter[int]) -> None:
        """Say what is missing."""
        for number, member in enumerate(self.members):
            missing = posted.total() - member.numbers().total()
            if missing:
                self.fault(f"Member {number} of {len(self.members)} lacks {missing} of {posted.total()} messages.")

    def clear(self) -> None:
        """Forget the frames, and who is where; the numbers go on."""
        for member in self.members:
            member.clear()
        self.frames, self.said = [None], []
        self._known.clear()


class Member:
    """One socket in the room. Its frame is the next of the ledger or ``take`` finds out what it is."""

    __slots__ = ("_ledger", "_own", "position", "strayed")

    def __init__(self, ledger: Ledger) -> None:
        self.position = 0  # of its next frame in the ledger, or STRAYED
        self.strayed = 0  # how many messages it has got, if it has
        self._ledger = ledger
        self._own: Counter[int] = Counter()
        ledger.members.append(self)

    def take(self, frame: bytes) -> list[Said] | None:
        """This frame has come: the messages in it, or None if it is about something else."""
        ledger, position = self._ledger, self.position
        if ledger.frames[position] == frame:
            self.position = position + 1
            return ledger.said[position]
        said = ledger.parse(frame)
        if said is None:
            return None
        if position == len(ledger.said):
            ledger.enter(frame, said)
            self.position = position + 1
            return said
        if position != STRAYED:
            self._own = self.numbers()
            self.strayed = sum(map(len, ledger.said[:position]))
            self.position = STRAYED
        check(said, self._own, ledger.fault)
        self.strayed += len(said)
        return said

    def numbers(self) -> Counter[int]:
        """The last message of each sender that this member has got."""
        ledger = self._ledger
        if self.position == STRAYED:
            return self._own
        later = Counter(each.sender for said in ledger.said[self.position :] for each in said)
        return ledger.numbers - later if later else ledger.numbers

    def clear(self) -> None:
        self.position = self.strayed = 0


def check(said: list[Said], numbers: Counter[int], fault: Callable[[str], None]) -> None:
    """Each message has to be the next of its sender; ``numbers`` goes on."""
    for each in said:
        expected = numbers[each.sender] + 1
        if each.number >= expected:
            numbers[each.sender] = each.number
        if each.number < expected:
            fault(f"Message {each.number} of sender {each.sender} came again, or after a later one.")
        elif each.number > expected:
            fault(f"Message {each.number} of sender {each.sender} came where {expected} was expected.")
