"""Which application a connection gets."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.urls import Resolver404, include, path, re_path
from django.urls.resolvers import LocalePrefixPattern, URLPattern

from channels_core.middleware import BaseMiddleware
from channels_core.routing import (
    ChannelNameRouter,
    ProtocolTypeRouter,
    URLRouter,
    get_default_application,
)
from channels_core.testing import ApplicationCommunicator, WebsocketCommunicator

ROOT = Path(__file__).parents[2]


class Application:
    """Returns its name; keeps the scope that it was run with."""

    def __init__(self, name):
        self.name = name

    async def __call__(self, scope, receive, send):
        self.scope = scope
        return self.name


class Raises:
    def __init__(self, error):
        self.error = error

    async def __call__(self, scope, receive, send):
        raise self.error


async def route(router, **scope):
    return await router(scope, None, None)


async def arguments(router, url_path, **scope):
    """The ``url_route`` that the application behind ``url_path`` finds."""
    found = await route(router, path=url_path, **scope)
    return found["url_route"]["args"], found["url_route"]["kwargs"]


async def show_scope(scope, receive, send):
    return scope


# By protocol


async def test_the_type_of_a_connection_picks_its_application():
    router = ProtocolTypeRouter({"websocket": Application("ws"), "http": Application("http")})

    assert await route(router, type="websocket") == "ws"
    assert await route(router, type="http") == "http"


async def test_an_unknown_type_is_a_value_error():
    with pytest.raises(ValueError, match="'lifespan'"):
        await route(ProtocolTypeRouter({"websocket": Application("ws")}), type="lifespan")


async def test_a_scope_without_type_is_a_key_error():
    with pytest.raises(KeyError):
        await route(ProtocolTypeRouter({}))


async def test_a_websocket_without_a_route_is_refused_and_told_in_the_log(caplog):
    router = ProtocolTypeRouter({"websocket": URLRouter([path("here/", show_scope)])})

    communicator = WebsocketCommunicator(router, "/nowhere/")
    assert await communicator.connect() == (False, 1000)
    await communicator.disconnect()

    [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "nowhere/" in record.getMessage()
    assert not record.exc_info


async def test_an_http_request_without_a_route_is_not_found():
    router = ProtocolTypeRouter({"http": URLRouter([path("here/", show_scope)])})

    communicator = ApplicationCommunicator(router, {"type": "http", "path": "/nowhere/"})
    start = await communicator.receive_output()
    body = await communicator.receive_output()

    assert (start["type"], start["status"]) == ("http.response.start", 404)
    assert (body["type"], body["body"]) == ("http.response.body", b"Not Found")


async def test_other_errors_of_an_application_are_its_own():
    router = ProtocolTypeRouter({"http": Raises(ValueError("mine"))})
    with pytest.raises(ValueError, match="mine"):
        await route(router, type="http", path="/")


async def test_below_another_router_a_missing_route_is_left_to_that_one():
    inner = ProtocolTypeRouter({"websocket": URLRouter([path("b/", Application("inner"))])})
    router = URLRouter([re_path(r"^a/", inner), re_path(r"^a/", Application("next"))])

    assert await route(router, type="websocket", path="/a/b/") == "inner"
    assert await route(router, type="websocket", path="/a/c/") == "next"


# By channel


async def test_the_name_of_a_channel_picks_its_application():
    router = ChannelNameRouter({"mail": Application("mail")})
    assert await route(router, type="channel", channel="mail") == "mail"


@pytest.mark.parametrize("scope", [{}, {"channel": "other"}])
async def test_an_unknown_or_missing_channel_is_a_value_error(scope):
    with pytest.raises(ValueError):
        await route(ChannelNameRouter({"mail": Application("mail")}), type="channel", **scope)


# By path


@pytest.mark.parametrize(
    ("url_path", "name"),
    [
        ("/", "root"),
        ("/foo/", "foo"),
        ("//foo/", "foo"),
        ("/bar/", "bar"),
        ("/bar/baz/", "bar"),
        ("/bar/qux/", "qux"),
    ],
)
async def test_the_first_route_that_matches_is_taken(url_path, name):
    """An ``re_path`` without ``$`` matches a prefix, a ``path`` all of it."""
    router = URLRouter(
        [
            path("", Application("root")),
            path("foo/", Application("foo")),
            re_path(r"^bar/qux/$", Application("qux")),
            re_path(r"bar", Application("bar")),
        ]
    )
    assert await route(router, type="http", path=url_path) == name


@pytest.mark.parametrize("url_path", ["/missing/", "/foo/more/", ""])
async def test_a_path_without_route_is_a_value_error(url_path):
    with pytest.raises(ValueError):
        await route(URLRouter([path("foo/", show_scope)]), type="http", path=url_path)


async def test_a_scope_without_path_is_a_value_error():
    with pytest.raises(ValueError):
        await route(URLRouter([path("", show_scope)]), type="http")


async def test_arguments_are_captured_converted_and_completed_by_the_route():
    router = URLRouter(
        [
            re_path(r"^position/(\w+)/(\d+)/$", show_scope),
            re_path(r"^named/(?P<name>\w+)/(\d+)/$", show_scope),
            re_path(r"^optional/(?:(?P<name>\w+)/)?$", show_scope),
            path("number/<int:number>/", show_scope),
            path("default/<name>/", show_scope, kwargs={"name": "route", "extra": 1}),
        ]
    )
    assert await arguments(router, "/position/a/1/") == (("a", "1"), {})
    assert await arguments(router, "/named/a/1/") == ((), {"name": "a"})
    assert await arguments(router, "/optional/") == ((), {})
    assert await arguments(router, "/number/42/") == ((), {"number": 42})
    assert await arguments(router, "/default/path/") == ((), {"name": "route", "extra": 1})


async def test_the_scope_of_the_caller_stays_as_it_is():
    scope = {"type": "http", "path": "/foo/"}
    found = await URLRouter([path("foo/", show_scope)])(scope, None, None)

    assert scope == {"type": "http", "path": "/foo/"}
    assert found["path"] == "/foo/"
    assert found["path_remaining"] == ""


async def test_a_nested_router_sees_the_rest_and_adds_its_arguments():
    router = URLRouter(
        [
            path("rooms/<slug:room>/", URLRouter([path("messages/<int:seq>/", show_scope)])),
            re_path(r"^(\w+)/", URLRouter([re_path(r"^(\d+)/$", show_scope)])),
        ]
    )
    assert await arguments(router, "/rooms/lobby/messages/7/") == ((), {"room": "lobby", "seq": 7})
    assert await arguments(router, "/people/7/") == (("people", "7"), {})


async def test_where_a_nested_router_has_no_route_the_outer_one_goes_on():
    inner = URLRouter([path("b/", Application("inner"))])
    router = URLRouter([path("a/", inner), path("a/<name>/", Application("outer"))])

    assert await route(router, type="http", path="/a/b/") == "inner"
    assert await route(router, type="http", path="/a/c/") == "outer"
    with pytest.raises(ValueError):
        await route(router, type="http", path="/a/c/d/")


async def test_a_nested_router_alone_raises_djangos_own_error():
    with pytest.raises(Resolver404):
        await route(URLRouter([path("b/", show_scope)]), type="http", path="/a/c/", path_remaining="c/")


async def test_an_application_that_raises_resolver404_is_not_followed_by_another():
    """It has started: whatever it raises is the end of the connection."""
    error = Resolver404("raised by the application")
    router = URLRouter(
        [
            path("a/", URLRouter([path("b/", Raises(error))])),
            re_path("a/b/", Application("next")),
        ]
    )
    with pytest.raises(Resolver404) as raised:
        await route(router, type="http", path="/a/b/")
    assert raised.value is error


async def test_routes_given_to_two_routers_serve_both():
    """Nesting changes how a route matches: in a copy, since the route may be in use elsewhere."""
    endpoint = path("a/", URLRouter([path("b/", Application("nested"))]))
    pattern = endpoint.pattern

    assert await route(URLRouter([endpoint]), type="http", path="/a/b/") == "nested"
    assert await route(URLRouter([endpoint]), type="http", path="/a/b/") == "nested"
    assert endpoint.pattern is pattern
    assert pattern.match("a/b/") is None


async def test_middleware_around_a_nested_router_leaves_it_nested():
    router = URLRouter([path("a/", BaseMiddleware(BaseMiddleware(URLRouter([path("b/", Application("b"))]))))])
    assert await route(router, type="http", path="/a/b/") == "b"


async def test_other_wrappers_of_a_nested_router_say_so_themselves():
    class Wrapper:
        _path_routing = True

        def __init__(self, inner):
            self.inner = inner

        async def __call__(self, scope, receive, send):
            return await self.inner(scope, receive, send)

    router = URLRouter([path("a/", Wrapper(URLRouter([path("b/", Application("b"))])))])
    assert await route(router, type="http", path="/a/b/") == "b"


@pytest.mark.parametrize(
    ("root_path", "url_path"),
    [("/app", "/app/foo/"), ("/app/", "/app/foo/"), ("", "/foo/"), ("/", "/foo/"), (None, "/foo/")],
)
async def test_the_root_path_of_the_server_is_taken_off(root_path, url_path):
    router = URLRouter([path("foo/", Application("foo"))])
    assert await route(router, type="http", path=url_path, root_path=root_path) == "foo"


@pytest.mark.parametrize(
    "url_path",
    ["/foo/", "/application/foo/", "/app/app/foo/", "/other/app/foo/"],
)
async def test_a_path_that_is_not_below_the_root_path_has_no_route(url_path):
    """``/application`` is no part of ``/app``; only one root is taken off, and only at the start."""
    router = URLRouter([path("foo/", Application("foo")), path("lication/foo/", Application("boundary"))])
    with pytest.raises(ValueError):
        await route(router, type="http", path=url_path, root_path="/app")


async def test_the_root_path_is_taken_off_once_for_nested_routers():
    router = URLRouter([path("app/", URLRouter([path("foo/", Application("foo"))]))])
    assert await route(router, type="http", path="/app/app/foo/", root_path="/app") == "foo"


def test_include_is_refused_with_a_reason():
    with pytest.raises(ImproperlyConfigured, match=r"include\(\) is not supported in URLRouter\."):
        URLRouter([path("a/", include([path("b/", show_scope)]))])


def test_a_nested_router_behind_a_pattern_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="LocalePrefixPattern"):
        URLRouter([URLPattern(LocalePrefixPattern(), URLRouter([]))])


# The project's application


def test_the_default_application_is_the_one_that_the_setting_names(settings):
    settings.ASGI_APPLICATION = "channels_core.routing.URLRouter"
    assert get_default_application() is URLRouter


@pytest.mark.parametrize("value", [None, 7, "nodots", "missing_module.application", "channels_core.routing.missing"])
def test_a_setting_that_names_nothing_is_improperly_configured(settings, value):
    settings.ASGI_APPLICATION = value
    with pytest.raises(ImproperlyConfigured, match="ASGI_APPLICATION"):
        get_default_application()


def test_a_routing_can_be_imported_before_django_is_set_up():
    """Servers import the application first; settings are not even known here."""
    names = "auth consumer db exceptions generic.websocket layers middleware routing security.websocket sessions"
    code = "; ".join(f"import channels_core.{name}" for name in names.split())
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=ROOT, env=environment)


def test_a_missing_setting_is_improperly_configured(settings):
    del settings.ASGI_APPLICATION
    with pytest.raises(ImproperlyConfigured, match="ASGI_APPLICATION"):
        get_default_application()
