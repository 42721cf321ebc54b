"""People with sockets and requests to any of several servers that share the database of the tests."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

import pytest
import websockets
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils.crypto import get_random_string

from chat.models import User
from tests.production import Production


def database_url() -> str:
    """That of the tests' database, for another process."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{name}"


class Browser:
    """Somebody signed in, with sockets to any server and requests to any."""

    def __init__(self, person: User) -> None:
        self.person = person
        self.client = Client()
        self.client.force_login(person)

    @property
    def key(self) -> str:
        return self.client.cookies[settings.SESSION_COOKIE_NAME].value

    @asynccontextmanager
    async def tab(self, server: Production, room: str = "lobby") -> AsyncIterator[websockets.ClientConnection]:
        """A socket, past its welcome."""
        address = server.url.replace("http", "ws") + f"/ws/rooms/{room}/"
        cookie = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={self.key}"}
        async with websockets.connect(address, origin=server.url, additional_headers=cookie) as socket:
            async with asyncio.timeout(10):
                assert json.loads(await socket.recv())["type"] == "welcome"
            yield socket

    async def post(self, server: Production, path: str, **fields: str) -> None:
        """Send a form to a server."""
        token = get_random_string(32)
        cookies = f"{settings.SESSION_COOKIE_NAME}={self.key}; {settings.CSRF_COOKIE_NAME}={token}"
        data = urlencode(fields | {"csrfmiddlewaretoken": token}).encode()
        request = Request(server.url + path, data, {"Cookie": cookies, "Origin": server.url})
        with pytest.raises(HTTPError) as answer:
            await asyncio.to_thread(NO_REDIRECT.open, request)
        with answer.value as error:
            assert error.code == 302


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *args: object) -> None:
        """The page that follows is of no interest, and is another person's by then."""


NO_REDIRECT = build_opener(_NoRedirect)
