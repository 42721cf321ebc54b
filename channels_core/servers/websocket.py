"""
A websocket of uvicorn's that can be asked to end, and whose client can harm only itself.

What a client sends is read a slice at a time, and only as long as the application takes what is read. What is
over, or waits for nothing, comes to its end soon.
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import Any

from django.db import InterfaceError, OperationalError
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request
from websockets.protocol import OPEN

from ..frames import WRITE_FRAMES
from ..meters import meters
from ..types import Message, Receive, Scope, Send
from .lean import LeanProtocol
from .overdue import Connection

logger = logging.getLogger(__name__)

# RFC 6455's registry of close codes.
VANISHED = 1006
SERVICE_RESTART = 1012

ACCEPT_S = 30.0  # for the application to answer a handshake
CLOSE_FRAME_S = 2  # for the client to answer a close
CLOSE_S = 10.0  # from a close, or the end of the line in one direction, until all is over
SLICE_BYTES = 4 * 1024  # what is read of a client before others have their turn
CONTROLS_PER_S = 100  # pings and pongs of a client


class WebSocketProtocol(Connection, LeanProtocol):
    """One websocket connection."""

    __slots__ = ("_began", "_controls", "_has_failed", "_is_leaving", "_is_reading_on", "_over_since", "_unread")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.close_timeout = CLOSE_FRAME_S
        self._is_leaving = False
        self._has_failed = False  # the client has broken the protocol, and has been told so
        self._unread = bytearray()  # has come, and is not looked at yet
        self._is_reading_on = False
        self._controls = 0  # within this second
        self._began = self.loop.time()
        self._over_since: float | None = None

    async def _run_to_its_end(self, scope: Scope, receive: Receive, send: Send) -> None:
        application = self.app = self.config.loaded_app  # instead of this, which leads back to us
        try:
            await application(scope, receive, send)
        except asyncio.CancelledError:
            if not meters.is_draining:
                raise
            # In a line of our own: uvicorn would write a traceback for what is no error here.
            logger.warning("Cut off what ran on %s.", scope["path"])
        except (OperationalError, InterfaceError) as error:
            if self.handshake_complete:
                raise
            # Without a traceback: everybody tries again and again until it is back.
            logger.error("A handshake on %s was refused, the database does not answer: %s", scope["path"], error)
            self._refuse("The database does not answer; try again.\n")
        finally:
            await self._say_farewell()

    # --- The end -------------------------------------------------------------------------------------

    def drain(self) -> None:
        """
        Tell the application that the connection is over, behind what it has been sent before.

        The socket itself is open until the application returns, so that the reply to a running command
        reaches the client; then it is closed with 1012.
        """
        if not self._is_leaving:
            self._is_leaving = True
            self.queue.put_nowait({"type": "websocket.disconnect", "code": SERVICE_RESTART, "reason": ""})

    async def _say_farewell(self) -> None:
        if self._is_leaving and self.handshake_complete and not (self.close_sent or self.disconnected):
            close: Message = {"type": "websocket.close", "code": SERVICE_RESTART, "reason": "Restarting."}
            await self.send(close)  # type: ignore[arg-type]

    def is_overdue(self, now: float) -> bool:
        self._controls = 0
        if self.close_sent or self.transport.is_closing():
            self._over_since = self._over_since or now
            return now - self._over_since >= CLOSE_S
        if not self.handshake_complete:
            return now - self._began >= ACCEPT_S
        if self.pending_ping_payload is not None and (self._unread or not self._is_ready()):
            self._tend_at = max(self._tend_at, now + (self.ping_timeout or 0))  # it is us who let its answer wait
        self.keep_alive(now)
        return self.is_stuck(now)

    def give_up(self) -> None:
        if self.handshake_complete:
            super().give_up()
        else:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": VANISHED})
            self._refuse("Nobody has answered this in time; try again.\n")

    def _refuse(self, reason: str) -> None:
        response = self.conn.reject(HTTPStatus.SERVICE_UNAVAILABLE, reason)
        response.headers["Retry-After"] = "1"
        self.conn.send_response(response)
        self._end_handshake()

    def _end_handshake(self) -> None:
        self.handshake_complete = self.close_sent = True
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.close()

    def fail(self, code: CloseCode, reason: str) -> None:
        """Close with this code, and take nothing more of this client."""
        if not self._has_failed:
            self.conn.fail(code, reason)
            self.handle_parser_exception()

    def handle_parser_exception(self) -> None:
        """The client has broken the protocol: tell it, and the application, and wait a moment for it to hear that."""
        if self._has_failed or (close := self.conn.close_sent) is None:
            return
        self._has_failed = self.disconnected = True  # who still sends is told that the client has gone
        if not self.close_sent:
            self.close_sent = True
            self.queue.put_nowait({"type": "websocket.disconnect", "code": close.code, "reason": close.reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        # Not closed: with bytes of the client unread that would be a reset, which overtakes the close frame.
        if not self.transport.can_write_eof():
            return self.transport.close()
        self.transport.write_eof()
        self.close_timer = self.close_timer or self.loop.call_later(self.close_timeout, self.transport.close)

    # --- The handshake -------------------------------------------------------------------------------

    def handle_connect(self, event: Request) -> None:
        if meters.is_draining:
            self._refuse("This server is stopping; try again.\n")
        else:
            super().handle_connect(event)
            if not self.close_sent:
                self.app = self._run_to_its_end
                self.scope["extensions"][WRITE_FRAMES] = {"write": self.write_frames}

    def start_keepalive(self) -> None:
        super().start_keepalive()
        self._regulate()  # the handshake is over

    # --- What goes out past ``send`` -----------------------------------------------------------------

    def write_frames(self, frames: bytes) -> bool:
        """
        Write what has been made ahead, see ``channels_core.frames``, as it is; false: that has to take the way
        through ``send`` now, which waits for its turn or says what is wrong.
        """
        # For every recipient of every message, so no more than this: uvicorn's class keeps in three flags what
        # the state is, and the websockets library in one; a lost line shows in the transport first.
        if self._gate.is_free and self.conn._state is OPEN and not self.transport.is_closing():
            self.transport.write(frames)
            return True
        return False

    # --- What comes in -------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if not self.handshake_initiated:
            super().data_received(data)
            if self.conn.handshake_exc is not None and not self.handshake_initiated:
                self._end_handshake()  # the answer lies ready
        elif self._has_failed:
            return
        elif self._unread or len(data) > SLICE_BYTES or not self._is_ready():
            self._unread += data
            self._regulate()
        else:
            super().data_received(data)

    def _is_ready(self) -> bool:
        """Whether the application has taken what has been read."""
        return self.handshake_complete and not self.read_paused

    def _regulate(self) -> None:
        """Read on, or stop until that is possible again."""
        is_ready = self._is_ready()
        if is_ready and not self._unread:
            self.transport.resume_reading()
            return
        self.transport.pause_reading()
        if is_ready and not self._is_reading_on:
            self._is_reading_on = True
            self.loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        self._is_reading_on = False
        if self._has_failed or self.transport.is_closing():
            self._unread.clear()
        elif self._is_ready():
            data = bytes(self._unread[:SLICE_BYTES])
            del self._unread[:SLICE_BYTES]
            super().data_received(data)
        self._regulate()

    async def receive(self) -> Any:
        message = await self.queue.get()
        if self.read_paused or self._unread:
            self.read_paused = self.read_paused and not self.queue.empty()
            self._regulate()
        return message

    def handle_cont(self, event: Frame) -> None:
        # In one piece: kept apart, a million empty ones would take their place, but not count for the size.
        whole: Any = self.frames[0] if self.frames else b""
        if not isinstance(whole, bytearray):
            whole = bytearray(whole)
        whole += event.data
        self.frames = [whole]
        if event.fin:
            self.send_receive_event_to_app()

    def send_receive_event_to_app(self) -> None:
        [data], self.frames = self.frames, []
        if self._is_leaving or self.close_sent:  # not taken, so not acknowledged: the client will send it again
            return
        if self.curr_msg_data_type == "bytes":
            self.queue.put_nowait({"type": "websocket.receive", "bytes": bytes(data)})
        else:
            try:
                self.queue.put_nowait({"type": "websocket.receive", "text": str(data, "utf-8")})
            except UnicodeDecodeError:
                return self.fail(CloseCode.INVALID_DATA, "A text has to be UTF-8.")
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    def handle_ping(self) -> None:
        self._count_control()
        if not self._has_failed:
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        self._count_control()
        super().handle_pong(event)

    def _count_control(self) -> None:
        self._controls += 1
        if self._controls > CONTROLS_PER_S:
            self.fail(CloseCode.POLICY_VIOLATION, "Too many pings.")
