"""The live server: a real one, talked to through real sockets, however its process is started."""

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import patch
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from daphne.testing import DaphneProcess
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.test import TransactionTestCase, override_settings
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from channels_core import testing
from channels_core.db import database_sync_to_async
from channels_core.layers import get_channel_layer
from channels_core.testing import ChannelsLiveServerTestCase
from channels_core.testing.live import make_application, set_database_connection

TIMEOUT_S = 20
START_METHODS = ["fork", "spawn"]
SERVED = "tests.channels_core.served.application"

# Python 3.12 and later say so of each fork of a process with threads.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")


def fetch(url, body=None):
    """The body of the response, as text."""
    with urlopen(url, data=body, timeout=TIMEOUT_S) as response:
        return response.read().decode()


def status_of(url, body=None):
    try:
        with urlopen(url, data=body, timeout=TIMEOUT_S) as response:
            return response.status
    except HTTPError as error:
        with error:
            return error.code


class StartedBy:
    """Sets how processes are started, for a test case."""

    start_method = ""

    @classmethod
    def setUpClass(cls):
        before = multiprocessing.get_start_method(allow_none=True)
        multiprocessing.set_start_method(cls.start_method, force=True)
        cls.addClassCleanup(multiprocessing.set_start_method, before, force=True)
        super().setUpClass()


in_this_test = override_settings(ASGI_APPLICATION=SERVED, SITE_NAME="Only in this test")


class Conversations(StartedBy):
    """What works, for a process that is forked and for one that is spawned."""

    @classmethod
    def setUpClass(cls):
        # What a forked process inherits and cannot use: pools whose threads are its parent's, and a layer
        # whose readers are there.
        asyncio.run(database_sync_to_async(int)())
        asyncio.run(sync_to_async(int)())
        layer = get_channel_layer()
        async_to_sync(layer.group_add)("only.here", "somebody")
        cls.addClassCleanup(async_to_sync(layer.flush))
        # As it is where Daphne is not an installed app.
        cls.enterClassContext(patch.object(WebSocketFactory, "protocol", WebSocketProtocol))
        super().setUpClass()

    def url(self, path):
        return f"{self.live_server_url}{path}"

    def test_its_addresses_are_those_of_its_host(self):
        port = self.live_server_url.rpartition(":")[2]
        assert int(port) > 0
        assert self.live_server_url == f"http://localhost:{port}"
        assert self.live_server_ws_url == f"ws://localhost:{port}"

    def test_pages_of_django_are_served(self):
        """That takes the host to be allowed there."""
        assert "<form" in fetch(self.url("/accounts/login/"))

    def test_static_files_are_served(self):
        assert fetch(self.url("/static/css/index.css")) == Path("static/css/index.css").read_text()
        assert status_of(self.url("/static/no-such-file.css")) == 404

    def test_websockets_are_served(self):
        with connect(f"{self.live_server_ws_url}/echo/", open_timeout=TIMEOUT_S) as socket:
            for frame in ("hello", b"\0\1"):
                socket.send(frame)
                assert socket.recv(timeout=TIMEOUT_S) == frame

    def test_a_websocket_is_closed_as_the_consumer_says(self):
        with connect(f"{self.live_server_ws_url}/echo/", open_timeout=TIMEOUT_S) as socket:
            socket.send("close")
            socket.recv(timeout=TIMEOUT_S)
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(timeout=TIMEOUT_S)
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1013, "as told")

    def test_the_server_sees_what_the_test_stores_and_the_other_way_round(self):
        people = get_user_model().objects
        people.create(username="ada")
        count = people.count()
        assert fetch(self.url("/people/")) == repr([count] * 2)

        assert fetch(self.url("/people/"), b"grace") == repr([count + 1] * 2)
        assert people.filter(username="grace").exists()

    def test_the_server_has_the_settings_of_the_test(self):
        """Overridden ones, and those of the test runner, so that no mail is sent."""
        for name in ("SITE_NAME", "DEBUG", "EMAIL_BACKEND", "ALLOWED_HOSTS"):
            assert fetch(self.url(f"/settings/{name}/")) == repr(getattr(settings, name))
        assert "localhost" in settings.ALLOWED_HOSTS

    def test_the_channel_layer_is_one_of_its_own(self):
        with urlopen(self.url("/events/"), timeout=TIMEOUT_S):
            assert list(get_channel_layer().groups) == ["only.here"]
            assert fetch(self.url("/groups/")) == "['news']"
        assert fetch(self.url("/departures/")) == "ServerSentEvents ended"

    # HTTP consumers under Daphne

    def test_a_long_poll_is_answered_when_there_is_news(self):
        with ThreadPoolExecutor() as readers:
            polls = [readers.submit(fetch, self.url("/long-poll/")) for _ in range(2)]
            fetch(self.url("/publish/to/2/"), b"news")
            assert [poll.result(TIMEOUT_S) for poll in polls] == ["news", "news"]
        assert [fetch(self.url("/departures/")) for _ in polls] == ["LongPoll ended"] * 2

    def test_events_come_one_by_one_until_the_client_leaves(self):
        with urlopen(self.url("/events/"), timeout=TIMEOUT_S) as events:
            assert events.headers["content-type"] == "text/event-stream"
            for text in (b"one", b"two"):
                fetch(self.url("/publish/to/1/"), text)
                assert events.readline() == b"data: %s\n" % text
                assert events.readline() == b"\n"
        assert fetch(self.url("/departures/")) == "ServerSentEvents ended"

    def test_a_client_that_leaves_ends_what_handle_does_for_it(self):
        with urlopen(self.url("/clock/"), timeout=TIMEOUT_S) as clock:
            assert clock.readline() == b"tick\n"
        assert fetch(self.url("/departures/")) == "Clock cancelled"
        assert fetch(self.url("/departures/")) == "Clock ended"

    def test_a_body_beyond_the_limit_is_refused(self):
        assert status_of(self.url("/small/"), b"1234567890") == 200
        assert status_of(self.url("/small/"), b"12345678901") == 413


@in_this_test
class ForkedTests(Conversations, ChannelsLiveServerTestCase):
    start_method = "fork"


@in_this_test
class SpawnedTests(Conversations, ChannelsLiveServerTestCase):
    start_method = "spawn"


@override_settings(ASGI_APPLICATION=SERVED, STATIC_ROOT=str(Path(__file__).parent))
class WithoutStaticFilesTests(ChannelsLiveServerTestCase):
    serve_static = False
    host = "127.0.0.1"

    def test_static_files_are_left_to_the_project(self):
        assert status_of(f"{self.live_server_url}/static/css/index.css") == 404

    def test_the_host_can_be_chosen(self):
        assert self.live_server_url.startswith("http://127.0.0.1:")
        assert self.live_server_ws_url.startswith("ws://127.0.0.1:")


# Starting and stopping


class Starts:
    """Starts a live server as a test runner does, and stops it at the end of the block."""

    def __init__(self, start_method="fork", **attributes):
        attributes["start_method"] = start_method
        self.case = type("Case", (StartedBy, ChannelsLiveServerTestCase), attributes)

    def __enter__(self):
        try:
            self.case.setUpClass()
        except BaseException:
            self.__exit__()
            raise
        return self.case()

    def __exit__(self, *_):
        self.case.doClassCleanups()
        assert self.case.tearDown_exceptions == []


@pytest.fixture
def children():
    """The processes that a test has started and that are still there."""
    before = set(multiprocessing.active_children())
    return lambda: set(multiprocessing.active_children()) - before


@pytest.mark.django_db(transaction=True)
def test_the_server_and_its_settings_are_gone_afterwards(children, settings):
    settings.ASGI_APPLICATION = SERVED
    before = list(settings.ALLOWED_HOSTS)
    with Starts(host="127.0.0.2") as case:
        assert list(settings.ALLOWED_HOSTS) == [*before, "127.0.0.2"]
        assert "<form" in fetch(f"{case.live_server_url}/accounts/login/")
        url = case.live_server_url
        assert len(children()) == 1

    assert list(settings.ALLOWED_HOSTS) == before
    assert children() == set()
    with pytest.raises(OSError):
        fetch(url)


def ignore_sigterm(application):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return application


@pytest.mark.django_db(transaction=True)
def test_a_server_that_will_not_end_is_killed(children, settings, monkeypatch):
    settings.ASGI_APPLICATION = SERVED
    monkeypatch.setattr("channels_core.testing.live.STOP_TIMEOUT_S", 0.1)
    with Starts(static_wrapper=staticmethod(ignore_sigterm)):
        assert len(children()) == 1
    assert children() == set()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("start_method", START_METHODS)
def test_an_application_that_cannot_be_loaded_is_told_in_its_own_words(children, settings, start_method):
    settings.ASGI_APPLICATION = "tests.channels_core.no_such_module.application"
    before = list(settings.ALLOWED_HOSTS)

    with pytest.raises(RuntimeError, match=r"Cannot import ASGI_APPLICATION.*no_such_module"), Starts(start_method):
        pass

    assert children() == set()
    assert list(settings.ALLOWED_HOSTS) == before


class Unpicklable(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")
        self.lock = threading.Lock()


def raise_unpicklable(application):
    raise Unpicklable("salt", "pepper")


@pytest.mark.django_db(transaction=True)
def test_an_error_that_cannot_travel_is_told_too(settings):
    settings.ASGI_APPLICATION = SERVED
    with pytest.raises(RuntimeError, match="salt and pepper"), Starts(static_wrapper=staticmethod(raise_unpicklable)):
        pass


class DiesAtOnce(DaphneProcess):
    def run(self):
        os._exit(3)


class NeverReady(DaphneProcess):
    def run(self):
        threading.Event().wait()


@pytest.mark.django_db(transaction=True)
def test_a_server_that_dies_is_not_waited_for(children):
    with pytest.raises(RuntimeError, match=r"ended, with exit code 3\. It reported no error"):
        Starts(ProtocolServerProcess=DiesAtOnce).__enter__()
    assert children() == set()


@pytest.mark.django_db(transaction=True)
def test_a_server_that_does_not_get_ready_is_given_up(children):
    with pytest.raises(RuntimeError, match=r"not ready after 0\.2 s"):
        Starts(ProtocolServerProcess=NeverReady, start_timeout_s=0.2).__enter__()
    assert children() == set()


@pytest.mark.django_db(transaction=True)
def test_a_database_in_memory_is_refused(children, monkeypatch):
    monkeypatch.setattr(connections["default"], "vendor", "sqlite")
    monkeypatch.setattr(connections["default"], "is_in_memory_db", lambda: True, raising=False)
    with pytest.raises(ImproperlyConfigured, match=r"DATABASES\['default'\]\[\"TEST\"\] a NAME"), Starts():
        pass
    assert children() == set()


# The parts


def test_a_test_case_has_what_channels_gave_it():
    assert issubclass(ChannelsLiveServerTestCase, TransactionTestCase)
    assert ChannelsLiveServerTestCase.host == "localhost"
    assert ChannelsLiveServerTestCase.ProtocolServerProcess is DaphneProcess
    assert ChannelsLiveServerTestCase.static_wrapper is ASGIStaticFilesHandler
    assert ChannelsLiveServerTestCase.serve_static is True


def test_the_application_is_that_of_the_settings(settings):
    settings.ASGI_APPLICATION = SERVED
    assert make_application() is make_application(static_wrapper=None)
    wrapped = make_application(static_wrapper=ASGIStaticFilesHandler)
    assert isinstance(wrapped, ASGIStaticFilesHandler)
    assert wrapped.application is make_application()


@pytest.fixture
def default_database(monkeypatch):
    database = dict(settings.DATABASES["default"])
    monkeypatch.setitem(settings.DATABASES, "default", database)
    monkeypatch.setattr(connections["default"], "settings_dict", database)
    return database


@pytest.mark.parametrize("names", [None, {"default": "test_x"}])
def test_the_connection_is_that_of_the_test_database(default_database, names):
    default_database["TEST"] = {"NAME": "test_x"}
    set_database_connection(names)
    assert connections["default"].settings_dict["NAME"] == "test_x"
    assert settings.DATABASES["default"]["NAME"] == "test_x"


@pytest.mark.parametrize("test", [{}, {"NAME": None}])
def test_a_test_database_without_a_name_is_an_error(default_database, test):
    default_database["TEST"] = test
    with pytest.raises(ImproperlyConfigured, match=r"'default'.*TEST NAME"):
        set_database_connection()


def test_the_package_loads_the_live_server_when_it_is_asked_for():
    """Communicators do without Daphne, and without the apps being loaded."""
    code = """
import sys
import channels_core.testing as testing
assert not {"daphne", "daphne.testing", "channels_core.testing.live"} & set(sys.modules)
assert testing.ChannelsLiveServerTestCase.__module__ == "channels_core.testing.live"
assert "daphne.testing" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2], timeout=TIMEOUT_S)


def test_the_package_has_no_other_names():
    assert set(testing.__all__) == {
        "ApplicationCommunicator",
        "HttpCommunicator",
        "WebsocketCommunicator",
        "ChannelsLiveServerTestCase",
    }
    with pytest.raises(AttributeError, match="no_such_name"):
        testing.no_such_name  # noqa: B018
