"""Connections of ours without a server: on lines that lead nowhere."""

from unittest.mock import Mock

from tests.channels_core.servers.writing import frames_in

HANDSHAKE = (
    b"GET /socket HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
)


async def echo(scope, receive, send):
    """An application that says what it hears."""
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] != "websocket.disconnect":
        await send({"type": "websocket.send", "text": message["text"]})


class Line(Mock):
    """A transport that leads nowhere; ``taken`` is what was written to it."""

    is_over = False

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.taken = bytearray()

    def write(self, data):
        self.taken += data

    def close(self):
        self.is_over = True

    def is_closing(self):
        return self.is_over

    def get_write_buffer_size(self):
        return 0

    def get_extra_info(self, name, default=None):
        return default

    def frames(self):
        """What was written since this was asked."""
        frames = frames_in(bytes(self.taken))
        self.taken.clear()
        return frames
