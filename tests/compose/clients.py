"""Clients without a browser: plain HTTP, and people who talk without a pause while something happens."""

import asyncio
import json
import re
import ssl
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.message import Message
from http.cookiejar import CookieJar
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, HTTPSHandler, Request, build_opener
from uuid import uuid4

import websockets
from websockets.asyncio.client import ClientConnection

from tests.compose.people import PASSWORD

PAUSE_S = 0.05  # between two messages of one client: a load, and no benchmark


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Message
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> object:
        return json.loads(self.body)


class Client:
    """Keeps cookies and sends forms."""

    def __init__(self, url: str, context: ssl.SSLContext | None = None) -> None:
        self.url = url
        self.cookies = CookieJar()
        self._opener = build_opener(HTTPCookieProcessor(self.cookies), HTTPSHandler(context=context))

    def get(self, path: str, headers: dict[str, str] | None = None, data: bytes | None = None) -> Answer:
        try:
            with self._opener.open(Request(self.url + path, data, headers or {}), timeout=30) as response:
                return Answer(response.status, response.headers, response.read())
        except HTTPError as error:
            return Answer(error.code, error.headers, error.read())

    def post(self, path: str, page: str | None = None, **fields: str) -> Answer:
        """Send a form, with the token of ``page``."""
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.get(page or path).text)
        assert token
        data = urlencode(fields | {"csrfmiddlewaretoken": token[1]}).encode()
        return self.get(path, {"Origin": self.url, "Referer": self.url + path}, data)

    def sign_up(self) -> None:
        """Make an account and join the lobby."""
        name = f"client-{uuid4().hex[:8]}"
        assert self.post("/accounts/signup/", username=name, password1=PASSWORD, password2=PASSWORD).status == 200
        assert self.post("/rooms/lobby/join/", "/rooms/lobby/").status == 200


@dataclass
class Report:
    """What the clients went through."""

    close_codes: list[int] = field(default_factory=list)
    seconds_away: list[float] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    stored: Counter[str] = field(default_factory=Counter)

    def missing(self) -> set[str]:
        return self.acknowledged - self.stored.keys()

    def doubled(self) -> set[str]:
        return {text for text, count in self.stored.items() if count > 1}


class Talker:
    """Posts one message after the other, comes back when cut off, and repeats what was not acknowledged."""

    def __init__(self, url: str, report: Report) -> None:
        client = Client(url)
        client.sign_up()
        self.report = report
        self.address = f"ws://{urlsplit(url).netloc}/ws/rooms/lobby/"
        self.options = {
            "origin": url,
            "additional_headers": {"Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in client.cookies)},
            "open_timeout": 5,
        }
        self.is_online = asyncio.Event()
        self.times_online = 0
        self._left_at: float | None = None
        self._unacknowledged: dict[str, str] | None = None

    async def talk(self) -> None:
        """Without end."""
        while True:
            try:
                async with websockets.connect(self.address, **self.options) as socket:
                    await self._welcome(socket)
                    while True:
                        await self._post(socket)
                        await asyncio.sleep(PAUSE_S)
            except websockets.ConnectionClosed as error:
                self.is_online.clear()
                self._left_at = time.monotonic()
                self.report.close_codes.append(error.rcvd.code if error.rcvd else 1006)
            except (OSError, websockets.InvalidHandshake, TimeoutError):
                pass  # nobody is there yet
            await asyncio.sleep(0.2)

    async def history(self) -> list[str]:
        """The texts of the whole room."""
        texts: list[str] = []
        async with websockets.connect(self.address, **self.options) as socket:
            welcome = await self._hear(socket, "welcome")
            messages, more = welcome["messages"], True
            while messages and more:
                texts += [message["text"] for message in messages]
                frame = {"type": "history.get", "ref": "page", "before": messages[0]["seq"], "limit": 100}
                await socket.send(json.dumps(frame))
                reply = await self._hear(socket, "reply")
                messages, more = reply["messages"], reply["more"]
            return texts + [message["text"] for message in messages]

    async def _welcome(self, socket: ClientConnection) -> None:
        await self._hear(socket, "welcome")
        if self._left_at is not None:
            self.report.seconds_away.append(time.monotonic() - self._left_at)
            self._left_at = None
        self.times_online += 1
        self.is_online.set()

    async def _post(self, socket: ClientConnection) -> None:
        client_id = str(uuid4())
        frame = self._unacknowledged or {"client_id": client_id, "text": f"Load {client_id}"}
        self._unacknowledged = frame
        await socket.send(json.dumps({"type": "message.post", "ref": frame["client_id"], **frame}))
        while (reply := await self._hear(socket, "reply"))["ref"] != frame["client_id"]:
            pass
        assert reply["ok"], reply
        self.report.acknowledged.add(frame["text"])
        self._unacknowledged = None

    async def _hear(self, socket: ClientConnection, kind: str) -> dict:
        while (event := json.loads(await socket.recv()))["type"] != kind:
            pass
        return event


def talk_through(url: str, act: Callable[[], None], clients: int) -> Report:
    """Have clients talk while ``act()`` runs, until all of them have been cut off and are back."""
    with ThreadPoolExecutor(1) as thread:  # for a loop of its own: Playwright has one running in this thread
        return thread.submit(asyncio.run, _talk_through(url, act, clients)).result()


async def _talk_through(url: str, act: Callable[[], None], clients: int) -> Report:
    report = Report()
    talkers = [await asyncio.to_thread(Talker, url, report) for _ in range(clients)]
    tasks = [asyncio.create_task(talker.talk()) for talker in talkers]
    try:
        async with asyncio.timeout(180):
            for talker in talkers:
                await talker.is_online.wait()
            await asyncio.to_thread(act)
            while not all(talker.times_online > 1 and talker.is_online.is_set() for talker in talkers):
                await asyncio.sleep(0.1)
                for task in tasks:
                    if task.done():
                        task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    report.stored.update(await talkers[0].history())
    return report
