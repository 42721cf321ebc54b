"""
How much a person, or an address, may ask of this process: so often, so many at once.

Each process counts for itself, and forgets when it ends: with four of them, somebody whose requests are spread evenly
may do four times as much. Whoever uses a limit says what is limited; who is over it is told how long to wait.
"""

import ipaddress
import time
from collections import Counter
from collections.abc import Callable, Hashable
from itertools import islice
from math import ceil
from threading import Lock

from django.conf import settings

MAX_KEYS = 10_000  # that a limit remembers

# A second and person, as no setting says otherwise: far above what a page of ours asks for.
TYPING_RATE, TYPING_BURST = 2, 10
READ_RATE, READ_BURST = 20, 100
HISTORY_RATE, HISTORY_BURST = 50, 500
JOIN_RATE, JOIN_BURST = 1, 30
NEW_ROOM_RATE, NEW_ROOM_BURST = 1, 60


class Limit:
    """
    ``rate`` times a second, and ``burst`` times at once after a rest, for each key. No rate (0) is no limit.

    Both are asked for at each call, so that settings may change. Threads may share it. What is kept of a key is when
    it has rested enough; of more than ``max_keys`` those that have been away longest are forgotten.

    Source: the generic cell rate algorithm, ITU-T I.371, which is a bucket of tokens in one number.
    """

    def __init__(
        self,
        rate: Callable[[], float],
        burst: Callable[[float], float],
        *,
        clock: Callable[[], float] = time.monotonic,
        max_keys: int = MAX_KEYS,
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._max_keys = max_keys
        self._rested: dict[Hashable, float] = {}  # the key that came last is the last one
        self._lock = Lock()

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._rested)

    def take(self, key: Hashable) -> float:
        """0.0, and it counts; or the seconds after which it is worth trying again, and it does not."""
        rate = self._rate()
        if rate <= 0:
            return 0.0
        key = _network(key)
        with self._lock:
            now = self._clock()
            before = self._rested.pop(key, now)
            after = max(before, now) + 1 / rate
            wait = after - now - max(self._burst(rate), 1) / rate
            is_over = wait > 1e-9  # less is an error of rounding
            self._rested[key] = before if is_over else after
            self._forget(now)
        return wait if is_over else 0.0

    def clear(self) -> None:
        """Forget everybody."""
        with self._lock:
            self._rested.clear()

    def _forget(self, now: float) -> None:
        """Those who have rested are as if they had never been here. Two for each who comes: so they never pile up."""
        for key in list(islice(self._rested, 2)):
            if self._rested[key] <= now or len(self._rested) > self._max_keys:
                del self._rested[key]


class Sockets:
    """How many sockets each person has open in this process, ``limit`` at most. 0 is no limit."""

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._open: Counter[Hashable] = Counter()
        self._lock = Lock()

    def enter(self, user_id: Hashable) -> bool:
        """Whether there may be one more; it is counted until ``leave``."""
        limit = self._limit()
        with self._lock:
            if 0 < limit <= self._open[user_id]:
                return False
            self._open[user_id] += 1
        return True

    def leave(self, user_id: Hashable) -> None:
        """One of those that ``enter`` has counted is closed."""
        with self._lock:
            self._open[user_id] -= 1
            if self._open[user_id] <= 0:
                del self._open[user_id]

    def clear(self) -> None:
        with self._lock:
            self._open.clear()


def seconds(wait: float) -> int:
    """A wait as it is told: in whole seconds, at least one."""
    return max(1, ceil(wait))


def _network(key: Hashable) -> Hashable:
    """Of an IPv6 address the network, since whoever has one has 2^64 of them; everything else as it is."""
    if not isinstance(key, str) or ":" not in key:
        return key
    try:
        address = ipaddress.IPv6Address(key.partition("%")[0])
    except ValueError:
        return key
    return str(address.ipv4_mapped or ipaddress.IPv6Network((address, 64), strict=False))


def _fixed(rate: float, burst: float) -> Limit:
    return Limit(lambda: rate, lambda _: burst)


def _a_minute(setting: str) -> Limit:
    """As many at once as the setting allows in a minute."""
    return Limit(lambda: getattr(settings, setting) / 60, lambda rate: rate * 60)


posts = Limit(lambda: settings.CHAT_POST_RATE, lambda rate: max(5.0, 3 * rate))  # by person: posts, edits, deletions
typing = _fixed(TYPING_RATE, TYPING_BURST)  # by person
reads = _fixed(READ_RATE, READ_BURST)  # by person
history = _fixed(HISTORY_RATE, HISTORY_BURST)  # by person
joins = _fixed(JOIN_RATE, JOIN_BURST)  # by person: to come in, and to let others in
new_rooms = _fixed(NEW_ROOM_RATE, NEW_ROOM_BURST)  # by person
handshakes = _a_minute("CHAT_HANDSHAKE_RATE")  # by address, and by person
sign_ins = _a_minute("CHAT_SIGN_IN_RATE")  # by address
sockets = Sockets(lambda: settings.CHAT_SOCKETS_PER_USER)

ALL = (posts, typing, reads, history, joins, new_rooms, handshakes, sign_ins, sockets)


def clear() -> None:
    """Forget all that was counted: between tests."""
    for each in ALL:
        each.clear()
