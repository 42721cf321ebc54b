"""What the runtime counts on its hot paths: plain numbers, which never go wrong by an error."""

import pytest

from channels_core.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels_core.meters import Meters, drops, meters
from channels_core.testing import WebsocketCommunicator


class Echo(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        if text_data == "fail":
            raise ZeroDivisionError
        await self.send(text_data=text_data, bytes_data=bytes_data)
        if text_data == "close":
            await self.close()
            await self.send("behind it")


class SyncEcho(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=text_data, bytes_data=bytes_data)


def counted():
    return {name: getattr(meters, name) for name in ("connections", "opened", "received", "sent")}


@pytest.fixture
def since():
    """How much has been counted since the test began."""
    before = counted()
    return lambda: {name: value - before[name] for name, value in counted().items()}


@pytest.mark.parametrize("consumer", [Echo, SyncEcho])
async def test_connections_and_frames_are_counted(since, consumer):
    tabs = [WebsocketCommunicator(consumer.as_asgi(), "/") for _ in range(2)]
    for tab in tabs:
        await tab.connect()
    await tabs[0].send_to(text_data="hello")
    await tabs[0].receive_from()
    await tabs[0].send_to(bytes_data=b"hello")
    await tabs[0].receive_from()
    assert since() == {"connections": 2, "opened": 2, "received": 2, "sent": 2}

    for tab in tabs:
        await tab.disconnect()

    assert since() == {"connections": 0, "opened": 2, "received": 2, "sent": 2}


async def test_a_connection_that_ends_by_an_error_is_not_counted_for_ever(since):
    tab = WebsocketCommunicator(Echo.as_asgi(), "/")
    await tab.connect()

    await tab.send_to(text_data="fail")
    with pytest.raises(ZeroDivisionError):
        await tab.wait()

    assert since()["connections"] == 0


async def test_what_is_sent_after_the_close_is_dropped_and_not_counted_as_sent(since):
    before = drops["after_close"]
    tab = WebsocketCommunicator(Echo.as_asgi(), "/")
    await tab.connect()

    await tab.send_to(text_data="close")
    await tab.receive_from()
    await tab.receive_output()

    assert drops["after_close"] - before == 1
    assert since()["sent"] == 1
    await tab.disconnect()


def test_a_fresh_process_has_counted_nothing_and_is_not_stopping():
    fresh = Meters()

    assert {name: getattr(fresh, name) for name in Meters.__slots__} == dict.fromkeys(Meters.__slots__, 0)
    assert fresh.is_draining is False
