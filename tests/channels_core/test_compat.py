"""``import channels`` means channels_core, in interpreters that have imported nothing else before."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from pkgutil import walk_packages
from textwrap import dedent
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest
from websockets.sync.client import connect

import channels_core
from tests.servers import RedisServer, Server

ROOT = Path(__file__).parents[2]
INSTALL = "from channels_core.compat import install; install()"
MODULES = [  # "", ".apps", ".auth" and so on
    "",
    *(module.name.removeprefix("channels_core") for module in walk_packages(channels_core.__path__, "channels_core.")),
]


def run(code: str, tmp_path: Path, **environ: str) -> str:
    """What ``code`` prints in an interpreter of its own; a warning about an import is an error there."""
    return subprocess.run(
        [sys.executable, "-W", "error::ImportWarning", "-c", dedent(code)],
        check=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environ,
        stdout=subprocess.PIPE,
        text=True,
        timeout=30,
    ).stdout


CONFIGURED = f"""
import sys
{INSTALL}
from django.conf import settings
import django
settings.configure(INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"])
django.setup()
"""


@pytest.mark.parametrize("first", ["channels", "channels_core"])
def test_every_module_is_the_same_object_under_both_names(tmp_path, first):
    """Whichever is imported first."""
    run(
        CONFIGURED
        + f"""
from importlib import import_module
for name in {MODULES}:
    import_module({first!r} + name)
    ours, theirs = import_module("channels_core" + name), import_module("channels" + name)
    assert ours is theirs is sys.modules["channels" + name] is sys.modules["channels_core" + name], name
    assert ours.__name__ == ours.__spec__.name == "channels_core" + name, ours.__spec__
""",
        tmp_path,
    )


def test_all_the_ways_to_import_lead_to_our_modules(tmp_path):
    run(
        CONFIGURED
        + """
import channels.generic.websocket as alias
from channels import layers
from channels.generic import websocket
from channels.testing import WebsocketCommunicator
from importlib import import_module
from importlib.util import find_spec
import channels_core.generic.websocket as ours, channels_core.layers, channels_core.testing

assert alias is websocket is ours is import_module("channels.generic.websocket")
assert layers is channels_core.layers
assert WebsocketCommunicator is channels_core.testing.WebsocketCommunicator
assert find_spec("channels.worker").origin == channels_core.__path__[0] + "/worker.py"
""",
        tmp_path,
    )


def test_nothing_is_loaded_before_somebody_asks_for_it(tmp_path):
    """Settings come before the apps: a module that needs them must wait."""
    code = f"""
        import sys
        {INSTALL}
        print(sorted(name for name in sys.modules if name.startswith("channels")))
    """
    assert run(code, tmp_path) == "['channels_core', 'channels_core.compat']\n"


def test_to_install_it_twice_changes_nothing(tmp_path):
    run(
        f"""
        import sys
        {INSTALL}
        finders = list(sys.meta_path)
        import channels
        install()
        assert sys.meta_path == finders
        """,
        tmp_path,
    )


def test_other_packages_are_found_as_before(tmp_path):
    """Also those whose name only begins like ours."""
    run(f"{INSTALL}\nimport channels_redis, colorsys\nassert channels_redis.__name__ == 'channels_redis'", tmp_path)


@pytest.mark.parametrize("name", ["channels.staticfiles", "channels.generic.grpc", "channels.auth.views"])
def test_a_module_that_we_do_not_have_is_not_found_and_the_error_says_so(tmp_path, name):
    """Not even in the folder of Channels. An optional import goes on as if it were not installed."""
    run(
        CONFIGURED
        + f"""
try:
    import {name}
except ModuleNotFoundError as error:
    assert error.name == {name!r}
    assert "channels_core takes the place of channels" in str(error) or "is not a package" in str(error), error
else:
    raise AssertionError("it was found")
""",
        tmp_path,
    )


def test_an_error_inside_a_module_of_ours_comes_out_as_itself(tmp_path):
    """And the module can be imported again once its cause is mended."""
    run(
        f"""
        import sys
        {INSTALL}
        sys.modules["asgiref.testing"] = None  # as if it were not installed
        try:
            import channels.testing
        except ModuleNotFoundError as error:
            assert error.name == "asgiref.testing", error
        else:
            raise AssertionError("it was imported")
        del sys.modules["asgiref.testing"]
        import channels.testing
        """,
        tmp_path,
    )


@pytest.mark.parametrize("name", ["channels", "channels.exceptions"])
def test_after_channels_itself_has_been_loaded_the_error_says_where_to_put_the_line(tmp_path, name):
    run(
        f"""
        import {name}
        from django.core.exceptions import ImproperlyConfigured
        try:
            {INSTALL}
        except ImproperlyConfigured as error:
            assert "channels was imported before" in str(error)
            assert "`{INSTALL}` at the top of the settings" in str(error)
        else:
            raise AssertionError("nothing was said")
        """,
        tmp_path,
    )


@pytest.mark.parametrize("entry", ["channels", "channels.apps.ChannelsConfig", "channels_core"])
def test_the_app_may_go_by_either_name(tmp_path, entry):
    run(
        f"""
        {INSTALL}
        import django
        from django.conf import settings
        settings.configure(INSTALLED_APPS=[{entry!r}])
        django.setup()
        from django.apps import apps
        from django.core.checks import run_checks
        from django.core.management import get_commands
        config, = apps.get_app_configs()
        assert (config.name, type(config).__module__) == ("channels_core", "channels_core.apps")
        assert get_commands()["runworker"] == "channels_core"
        assert "channels_core.W001" in [message.id for message in run_checks()]
        """,
        tmp_path,
    )


def test_what_channels_redis_raises_is_our_channel_full(tmp_path, redis_server: RedisServer):
    """Of the real layer, also where no layer manager has built it."""
    code = f"""
        import asyncio, os, sys
        {INSTALL}
        from channels_redis.core import RedisChannelLayer
        from channels_core.exceptions import ChannelFull
        from channels_core.layers import BaseChannelLayer

        async def fill():
            layer = RedisChannelLayer(hosts=[os.environ["REDIS_URL"]], prefix={uuid4().hex!r}, capacity=2)
            assert isinstance(layer, BaseChannelLayer)
            try:
                for number in range(3):
                    await layer.send("full", {{"type": "test", "number": number}})
            except ChannelFull:
                print("full after", number)
            await layer.flush()
            await layer.close_pools()

        asyncio.run(fill())
    """
    assert run(code, tmp_path, REDIS_URL=redis_server.url) == "full after 2\n"


# Packages that were written for Channels, in a conversation.


class ForeignSite(Server):
    """Daphne with the project in ``foreign/``: imports of ``channels`` wherever one looks, and a Redis layer."""

    def __init__(self, redis_url: str) -> None:
        super().__init__("foreign")
        self.redis_url = redis_url
        self.prefix = uuid4().hex

    def environment(self) -> dict[str, str]:
        return os.environ | {
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "tests.channels_core.foreign.settings",
            "REDIS_URL": self.redis_url,
            "REDIS_PREFIX": self.prefix,
        }

    def command(self) -> list[str]:
        listen = ["--bind", "127.0.0.1", "--port", str(self.port)]
        return [sys.executable, "-m", "daphne", *listen, "tests.channels_core.foreign.asgi:application"]

    def start(self) -> None:
        migrate = [sys.executable, "-m", "django", "migrate", "--verbosity", "0"]
        subprocess.run(migrate, check=True, cwd=self.directory, env=self.environment())
        super().start()

    def open_socket(self, path: str, **options):
        origin = f"http://127.0.0.1:{self.port}"
        return connect(f"ws://127.0.0.1:{self.port}/{path}", origin=origin, proxy=None, **options)

    def get(self, path: str, body: dict | None = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"http://127.0.0.1:{self.port}/{path}", data, {"content-type": "application/json"})
        with urlopen(request, timeout=10) as response:
            return response.read()


@pytest.fixture(scope="module")
def site(redis_server: RedisServer) -> Iterator[ForeignSite]:
    site = ForeignSite(redis_server.url)
    try:
        site.start()
        yield site
    finally:
        site.remove()


def tell(socket, **frame) -> None:
    socket.send(json.dumps(frame))


def hear(socket) -> dict:
    return json.loads(socket.recv(timeout=10))


def test_djangochannelsrestframework_serves_models_and_tells_others_of_changes(site):
    """Its consumer stores in a thread and announces through the layer; its observer handles that in another socket."""
    name = uuid4().hex
    with site.open_socket("groups") as watcher, site.open_socket("groups") as writer:
        tell(watcher, action="watch", request_id=1)
        assert hear(watcher) == {"watching": True}

        tell(writer, action="create", request_id=2, data={"name": name})

        created = hear(writer)
        assert (created["response_status"], created["errors"], created["data"]["name"]) == (201, [], name)
        assert hear(watcher) == {"changed": name, "how": "create"}
        tell(writer, action="list", request_id=3)
        assert name in [group["name"] for group in hear(writer)["data"]]


def test_djangochannelsrestframework_answers_what_is_refused_on_a_socket_that_lives_on(site):
    with site.open_socket("groups") as socket:
        tell(socket, action="dance", request_id=1)
        assert hear(socket)["response_status"] == 405

        tell(socket, action="create", request_id=2, data={"name": ""})
        assert hear(socket)["response_status"] == 400


def test_a_strawberry_subscription_hears_what_a_consumer_of_another_package_says(site):
    """Two packages that do not know each other share one layer, because ``channels`` is one runtime."""
    query = "subscription { talk }"
    with (
        site.open_socket("graphql", subprotocols=["graphql-transport-ws"]) as listener,
        site.open_socket("groups") as speaker,
    ):
        assert listener.subprotocol == "graphql-transport-ws"
        tell(listener, type="connection_init")
        assert hear(listener)["type"] == "connection_ack"
        tell(listener, type="subscribe", id="1", payload={"query": query})
        assert hear(listener)["payload"]["data"] == {"talk": "listening"}

        tell(speaker, action="say", request_id=1, text="Hello")

        assert hear(listener) == {"id": "1", "type": "next", "payload": {"data": {"talk": "Hello"}}}
        tell(listener, type="complete", id="1")


def test_strawberry_answers_a_query_over_http(site):
    assert json.loads(site.get("graphql", {"query": "{ __typename groups }"}))["data"]["__typename"] == "Query"


def test_no_code_of_channels_is_loaded_by_all_that(site):
    site.get("graphql", {"query": "{ groups }"})

    assert site.get("loaded") == b""
