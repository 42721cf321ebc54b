"""Limits: so often, so many at once, for each key; and what is forgotten."""

from threading import Thread

import pytest
from django.test import override_settings

from chat import limits
from chat.limits import Limit, Sockets


class Clock:
    """Time that passes when a test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    """The time of a new limit, and of all that the application has."""
    clock = Clock()
    for each in limits.ALL:
        if isinstance(each, Limit):
            monkeypatch.setattr(each, "_clock", clock)
    return clock


def made(clock: Clock, rate: float = 2, burst: float = 4, **options) -> Limit:
    return Limit(lambda: rate, lambda _: burst, clock=clock, **options)


def taken(limit: Limit, key, times: int) -> int:
    """How many of so many tries are let through."""
    return sum(limit.take(key) == 0 for _ in range(times))


def test_a_burst_is_let_through_and_then_the_rate(clock):
    limit = made(clock)
    assert taken(limit, "a", 10) == 4

    for _ in range(20):
        clock.now += 0.5
        assert taken(limit, "a", 3) == 1

    clock.now += 1.5
    assert taken(limit, "a", 10) == 3
    clock.now += 3600
    assert taken(limit, "a", 10) == 4


def test_who_waits_as_long_as_told_is_let_through_and_no_sooner(clock):
    limit = made(clock, rate=0.3, burst=2)
    taken(limit, "a", 2)

    for _ in range(50):
        wait = limit.take("a")
        assert wait == pytest.approx(1 / 0.3)
        clock.now += wait * 0.99
        assert limit.take("a") == pytest.approx(wait * 0.01)
        clock.now += wait * 0.01 + 1e-6
        assert limit.take("a") == 0


def test_a_refused_try_does_not_count(clock):
    """Or somebody who knocks without end would never be let in again."""
    limit = made(clock)
    taken(limit, "a", 1000)

    clock.now += 0.5
    assert limit.take("a") == 0


def test_each_key_has_its_own(clock):
    limit = made(clock)

    assert [taken(limit, key, 10) for key in ("a", "b", 7)] == [4, 4, 4]


@pytest.mark.parametrize("rate", [0, -1])
def test_no_rate_is_no_limit_and_remembers_nothing(clock, rate):
    limit = made(clock, rate=rate)

    assert taken(limit, "a", 1000) == 1000
    assert len(limit) == 0


def test_at_least_one_is_let_through_however_low_the_rate(clock):
    limit = made(clock, rate=0.001, burst=0.06)

    assert taken(limit, "a", 5) == 1
    clock.now += 1001
    assert taken(limit, "a", 5) == 1


def test_who_has_rested_is_forgotten(clock):
    limit = made(clock)
    for key in range(100):
        limit.take(key)
    clock.now += 10

    for key in range(200, 260):
        limit.take(key)

    assert len(limit) <= 61


def test_no_more_keys_are_remembered_than_fit(clock):
    limit = made(clock, max_keys=50)

    for key in range(1000):
        limit.take(key)

    assert len(limit) == 50


def test_who_comes_again_and_again_is_remembered_whoever_else_comes(clock):
    limit = made(clock, burst=10, max_keys=50)

    let_through = 0
    for key in range(1000):
        limit.take(key)
        if key % 20 == 0:
            let_through += limit.take("busy") == 0

    assert let_through == 10


def test_threads_are_let_through_no_more_often_than_one(clock):
    limit = made(clock, burst=500)
    counts = []
    threads = [Thread(target=lambda: counts.append(taken(limit, "a", 200))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(counts) == 500


@pytest.mark.parametrize(
    ("one", "other", "are_one"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("not:an:address", "not:an:address!", False),
        ("", "192.0.2.1", False),
    ],
)
def test_of_ipv6_a_network_counts_as_one_address(clock, one, other, are_one):
    limit = made(clock, burst=1)
    limit.take(one)

    assert (limit.take(other) > 0) == are_one


def test_the_limits_follow_the_settings(clock):
    for posts, burst in [(10.0, 30), (1.0, 5), (0.5, 5)]:
        limits.clear()
        with override_settings(CHAT_POST_RATE=posts):
            assert taken(limits.posts, 1, 100) == burst
            clock.now += 2
            assert taken(limits.posts, 1, 100) == 2 * posts
    with override_settings(CHAT_HANDSHAKE_RATE=7, CHAT_SIGN_IN_RATE=3):
        assert taken(limits.handshakes, "192.0.2.1", 100) == 7
        assert taken(limits.sign_ins, "192.0.2.1", 100) == 3
        assert limits.sign_ins.take("192.0.2.1") == pytest.approx(20)
    with override_settings(CHAT_POST_RATE=0, CHAT_HANDSHAKE_RATE=0, CHAT_SIGN_IN_RATE=0):
        for limit in (limits.posts, limits.handshakes, limits.sign_ins):
            assert taken(limit, 9, 5000) == 5000


def test_the_defaults_are_generous(clock, settings):
    assert (settings.CHAT_POST_RATE, settings.CHAT_SOCKETS_PER_USER) == (20, 200)
    assert (settings.CHAT_HANDSHAKE_RATE, settings.CHAT_SIGN_IN_RATE) == (6000, 120)
    bursts = [taken(limit, 1, 9000) for limit in limits.ALL if isinstance(limit, Limit)]
    assert bursts == [60, 10, 100, 500, 30, 60, 6000, 120]


def test_nobody_has_more_sockets_than_allowed():
    sockets = Sockets(lambda: 2)
    assert [sockets.enter(1) for _ in range(4)] == [True, True, False, False]
    assert sockets.enter(2)

    sockets.leave(1)
    assert [sockets.enter(1) for _ in range(2)] == [True, False]


def test_the_number_of_sockets_follows_the_settings_and_0_is_none():
    with override_settings(CHAT_SOCKETS_PER_USER=3):
        assert [limits.sockets.enter(1) for _ in range(4)] == [True, True, True, False]
    with override_settings(CHAT_SOCKETS_PER_USER=0):
        assert all(limits.sockets.enter(1) for _ in range(100))
    for _ in range(103):
        limits.sockets.leave(1)
    assert limits.sockets._open == {}


def test_a_wait_is_told_in_whole_seconds():
    assert [limits.seconds(wait) for wait in (0.001, 1, 1.01, 59.5)] == [1, 1, 2, 60]
