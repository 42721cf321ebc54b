"""Clients that mean no good, on plain sockets; and one that does, and must not notice the others."""

import socket
import threading
import time
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

from websockets.frames import Frame, Opcode
from websockets.sync.client import connect

from tests.servers import wait_until

PATIENCE_S = 20  # for what should take moments
UNNOTICED_S = 3  # a busy machine takes its time as well


def handshake(bench, name=""):
    """What asks for a websocket."""
    return (
        f"GET /{bench}/?{name} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def frame(content=b"", opcode=Opcode.TEXT, fin=True):
    """A frame as a client sends it."""
    return Frame(opcode, content, fin).serialize(mask=True)


class Client:
    """A connection to a port of this machine; ``leave`` ends all that there are."""

    everyone = []

    def __init__(self, port, data=b"", *, takes=None):
        self.socket = socket.socket()
        self.everyone.append(self)
        if takes:  # bytes that wait here for who does not read them
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, takes)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(data)

    @classmethod
    def at(cls, bench, port, name="", **options):
        """A websocket that has been accepted; ``name`` is what its notes start with."""
        client = cls(port, handshake(bench, name), **options)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.socket.recv(1)
        assert head.startswith(b"HTTP/1.1 101 "), head
        return client

    def send(self, data):
        self.socket.sendall(data)

    def flood(self, data, seconds):
        """Send it again and again; whether it was taken for all that time."""
        self.socket.settimeout(1)
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                self.socket.sendall(data)
        except OSError:
            return False
        finally:
            self.socket.settimeout(PATIENCE_S)
        return True

    def drip(self, data):
        """Send it ten times a second, until the server has had enough; how many seconds it took that."""
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE_S:
            try:
                self.socket.sendall(data)
            except OSError:
                return time.monotonic() - began
            time.sleep(0.1)
        raise TimeoutError(f"It was taken for {PATIENCE_S} s.")

    def rest(self):
        """What still comes, until the server ends the connection."""
        received = b""
        try:
            while data := self.socket.recv(2**16):
                received += data
        except ConnectionError:
            pass
        return received

    @classmethod
    def leave(cls):
        while cls.everyone:
            cls.everyone.pop().socket.close()


def close_in(received):
    """Code and reason of the close frame that begins ``received``."""
    assert received[0] == 0x88, received[:100]
    content = received[2 : 2 + received[1]]
    return int.from_bytes(content[:2]), content[2:].decode()


class Neighbour(threading.Thread):
    """Talks all the while, on a websocket and for pages, and measures how long the answers take."""

    def __init__(self, workshop):
        super().__init__()
        self._workshop = workshop
        self._is_over = threading.Event()
        self.worst_s = 0.0
        self.answers = 0
        self.error = None

    def run(self):
        try:
            page = HTTPConnection("127.0.0.1", self._workshop.port, timeout=PATIENCE_S)
            with connect(self._workshop.at("echo")) as tab:
                while not self._is_over.wait(0.02):
                    began = time.monotonic()
                    tab.send(str(self.answers))
                    assert tab.recv(PATIENCE_S) == str(self.answers)
                    page.request("GET", "/state")
                    assert page.getresponse().read()
                    self.worst_s = max(self.worst_s, time.monotonic() - began)
                    self.answers += 1
        except Exception as error:
            self.error = error
        finally:
            page.close()

    def is_answered(self):
        """Return when something that is asked from now on has been answered."""
        enough = self.answers + 2
        wait_until(lambda: self.error or self.answers >= enough, what="an answer to the neighbour")

    def leave(self):
        self._is_over.set()
        self.join()


@contextmanager
def unnoticed(workshop, *, mebibytes):
    """A block that nobody else notices: not by the wait, nor in the log, nor by the memory that it takes."""
    pid = workshop.state()["pid"]
    said, had = workshop.log.stat().st_size, memory_of(pid)
    neighbour = Neighbour(workshop)
    neighbour.start()
    try:
        neighbour.is_answered()
        yield
        neighbour.is_answered()
        took = memory_of(pid) - had
    finally:
        neighbour.leave()
    assert neighbour.error is None
    assert neighbour.worst_s < UNNOTICED_S
    assert took < mebibytes
    assert workshop.state()["pid"] == pid
    new = workshop.log.read_text()[said:]
    assert "Traceback" not in new, new
    assert "ERROR" not in new, new


def memory_of(pid):
    """What a process has in memory, in MiB."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024
