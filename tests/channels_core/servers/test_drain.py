"""
The end of a server, in its own time: gunicorn with our worker, and clients that know nothing of it.

What can be seen without waiting, with shorter times, is in test_uvicorn.py.
"""

import asyncio
import os
import re
import signal
import socket
import time

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus

from channels_core.servers.uvicorn import END_S
from tests.channels_core.servers.hearing import hear, hear_close
from tests.servers import is_listening, wait_until

BENCHES = ("bench", "mailbox", "sync")


async def until(condition, what, **options):
    await asyncio.to_thread(wait_until, condition, what=what, **options)


async def sit_down(workshop, bench, name):
    """A socket that is open in that kind of consumer."""
    tab = await connect(workshop.at(bench, name))
    await tab.send("here")
    assert await hear(tab) == "here"
    return tab


async def start_work(workshop, tab, name, work):
    """Give it something to do, and return when it has begun."""
    await tab.send(f"work:{work}")
    await asyncio.to_thread(workshop.wait_for_note, f"{name} took work:{work}")


async def end_of(workshop):
    """The exit code, when it has come to its end."""
    return await asyncio.to_thread(workshop.process.wait, 20)


def errors_in(workshop):
    return re.findall(r"^.*(?:ERROR|Error|CRITICAL|Traceback).*$", workshop.log.read_text(), re.MULTILINE)


async def test_readiness_turns_red_and_handshakes_are_refused_two_seconds_before_the_listener_closes(open_workshop):
    workshop = open_workshop()
    tab = await sit_down(workshop, "bench", "early")
    assert workshop.state()["is_draining"] is False

    workshop.process.send_signal(signal.SIGTERM)

    await until(lambda: workshop.state()["is_draining"], "it to say that it drains")
    noticed = time.monotonic()
    with pytest.raises(InvalidStatus) as refused:
        await connect(workshop.at("bench", "late"))
    assert refused.value.response.status_code == 503
    assert refused.value.response.headers["Retry-After"] == "1"
    await tab.send("still here")  # who is in is served as ever
    assert await hear(tab) == "still here"
    await until(lambda: not is_listening(workshop.port), "the listener to close")
    assert 1 < time.monotonic() - noticed < 4

    assert await hear_close(tab) == (1012, "Restarting.")
    assert await end_of(workshop) == 0
    assert workshop.notes() == ["early took here", "early took still here", "early left 1012"]
    assert errors_in(workshop) == []


async def test_commands_that_run_are_answered_before_the_close_and_later_ones_are_not_begun(open_workshop):
    """In every kind of consumer: alone with its client, with a mailbox, in a thread."""
    workshop = open_workshop()
    tabs = {bench: await sit_down(workshop, bench, bench) for bench in BENCHES}
    for bench, tab in tabs.items():
        await start_work(workshop, tab, bench, "long")

    workshop.process.send_signal(signal.SIGTERM)
    await until(lambda: not is_listening(workshop.port), "the listener to close")  # from then on they are leaving
    for tab in tabs.values():
        await tab.send("late")
    workshop.let("long")

    for tab in tabs.values():
        assert await hear(tab) == "done long"
        assert await hear_close(tab) == (1012, "Restarting.")
    assert await end_of(workshop) == 0
    for bench in BENCHES:
        notes = [note.removeprefix(f"{bench} ") for note in workshop.notes() if note.startswith(f"{bench} ")]
        assert notes == ["took here", "took work:long", "left 1012"]
    assert errors_in(workshop) == []


async def test_nothing_holds_it_up_for_ever(open_workshop):
    """
    Not what never ends, in whatever consumer or page, nor a client that does not read or does not answer.

    It is given 8 s less than it has, so that the test need not wait for them; test_uvicorn.py adds up the rest.
    """
    workshop = open_workshop(END_S=str(END_S - 8))
    stuck = {bench: await sit_down(workshop, bench, bench) for bench in BENCHES}
    for bench, tab in stuck.items():
        await start_work(workshop, tab, bench, "for ever")
    deaf = await connect(workshop.at("bench", "deaf"), max_queue=1, ping_interval=None)
    await deaf.send("flood")
    silent = await sit_down(workshop, "bench", "silent")
    silent.transport.pause_reading()
    stream = socket.create_connection(("127.0.0.1", workshop.port))
    stream.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert await asyncio.to_thread(stream.recv, 100)
    free = await sit_down(workshop, "bench", "free")

    workshop.process.send_signal(signal.SIGTERM)
    began = time.monotonic()

    assert await hear_close(free) == (1012, "Restarting.")  # the others do not hold it up
    assert time.monotonic() - began < END_S - 8
    for tab in stuck.values():
        assert (await hear_close(tab))[0] == 1012
    assert await end_of(workshop) == 0
    assert time.monotonic() - began < 15 - 8 + 1  # gunicorn looks around once a second
    left = sorted(note for note in workshop.notes() if " left" in note)
    assert left == sorted(
        ["stream left", "free left 1012", "silent left 1012", "deaf left 1006"]
        + [f"{bench} left 1006" for bench in BENCHES]
    )
    assert "Perhaps out of memory" not in workshop.log.read_text()  # gunicorn had to kill nobody
    assert "Traceback" not in workshop.log.read_text()
    stream.close()
    for tab in (deaf, silent):
        tab.transport.abort()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT], ids=["SIGINT", "SIGQUIT"])
async def test_a_quick_end_leaves_the_waiting_out(open_workshop, number):
    workshop = open_workshop()
    tab = await sit_down(workshop, "bench", "tab")

    workshop.process.send_signal(number)
    began = time.monotonic()

    assert await hear_close(tab) == (1012, "Restarting.")
    assert await end_of(workshop) == 0
    assert time.monotonic() - began < 2
    assert workshop.notes()[-1] == "tab left 1012"
    assert errors_in(workshop) == []


async def test_control_c_in_a_terminal_ends_what_runs_and_cleans_up(open_workshop):
    """There the workers get a signal from the terminal and another from gunicorn: twice means at once."""
    workshop = open_workshop()
    tab = await sit_down(workshop, "bench", "tab")
    await start_work(workshop, tab, "tab", "for ever")

    os.kill(workshop.state()["pid"], signal.SIGINT)
    workshop.process.send_signal(signal.SIGINT)
    began = time.monotonic()

    assert (await hear_close(tab))[0] == 1012
    assert await end_of(workshop) == 0
    assert time.monotonic() - began < 2
    assert workshop.notes()[-1] == "tab left 1006"
    assert errors_in(workshop) == []


async def test_a_reload_replaces_the_workers_and_who_was_in_is_back_within_seconds(open_workshop, redis_server):
    workshop = open_workshop("--workers=2", "--reuse-port", REDIS_URL=redis_server.url)
    tabs = [await sit_down(workshop, "bench", f"tab-{number}") for number in range(6)]
    before = {await pid_of(tab) for tab in tabs}

    workshop.process.send_signal(signal.SIGHUP)

    for tab in tabs:
        assert await hear_close(tab) == (1012, "Restarting.")
    closed = time.monotonic()
    again = [await come_back(workshop, f"tab-{number}") for number in range(6)]
    assert time.monotonic() - closed < 10
    assert before.isdisjoint({await pid_of(tab) for tab in again})
    assert workshop.process.poll() is None
    assert errors_in(workshop) == []
    for tab in again:
        await tab.close()


async def pid_of(tab):
    """The process that has the socket."""
    await tab.send("pid")
    return int(await hear(tab))


async def come_back(workshop, name):
    """Try again until it is taken, as browsers do."""
    async with asyncio.timeout(15):
        while True:
            try:
                return await sit_down(workshop, "bench", name)
            except (OSError, InvalidHandshake):
                await asyncio.sleep(0.1)
