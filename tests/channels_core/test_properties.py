"""Routing against Django's own resolver, and sessions against what was put into them."""

import asyncio
from http.cookies import CookieError

import pytest
from asgiref.sync import async_to_sync
from django.http import parse_cookie
from django.urls import Resolver404, URLResolver, path
from django.urls.resolvers import RegexPattern
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from channels_core.routing import URLRouter
from channels_core.sessions import CookieMiddleware, SessionMiddlewareStack

words = st.sampled_from(["rooms", "<int:number>", "<slug:slug>", "<str:rest>", "ws"])
routes = st.lists(words, min_size=1, max_size=3).map(lambda parts: "/".join(dict.fromkeys(parts)) + "/")
paths = st.lists(st.sampled_from(["rooms", "ws", "7", "a-b", "ü"]), max_size=4).map("/".join)


def application(name):
    async def run(scope, receive, send):
        return name, scope["url_route"]["args"], scope["url_route"]["kwargs"]

    return run


@given(st.lists(routes, min_size=1, max_size=5, unique=True), paths, st.booleans())
def test_a_route_is_found_as_django_finds_a_view(patterns, rest, ends):
    request_path = "/" + rest + ("/" if ends and rest else "")
    urls = [path(pattern, application(pattern)) for pattern in patterns]
    resolver = URLResolver(RegexPattern(r"^/"), urls)

    try:
        match = resolver.resolve(request_path)
        expected = (match.route.removeprefix("^/"), match.args, match.kwargs)
    except Resolver404:
        expected = None
    try:
        found = run(URLRouter(urls), request_path)
    except ValueError:
        found = None

    assert found == expected


@given(routes, routes, paths)
def test_nesting_a_router_is_the_same_as_one_long_route(outer, inner, rest):
    inner = inner.replace(":", ":inner_")  # no name twice
    request_path = f"/{rest}/"
    flat = URLRouter([path(outer + inner, application("x"))])
    nested = URLRouter([path(outer, URLRouter([path(inner, application("x"))]))])

    def outcome(router):
        try:
            return run(router, request_path)
        except ValueError:
            return None

    assert outcome(nested) == outcome(flat)


def run(router, request_path):
    return asyncio.run(router({"type": "websocket", "path": request_path}, None, None))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture(autouse=True)
def sessions_in_cookies(settings):
    """A store without a database: what comes back is what the cookie carried."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(min_size=1), json_values, min_size=1, max_size=4))
def test_what_a_response_stores_in_the_session_comes_back_with_its_cookie(data):
    async def store(scope, receive, send):
        scope["session"].update(data)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def load(scope, receive, send):
        return dict(scope["session"].items())

    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "headers": []}
    async_to_sync(SessionMiddlewareStack(store))(scope, None, send)
    [(name, header)] = sent[0]["headers"]
    assert name == b"Set-Cookie"
    cookie = header.split(b";")[0]
    scope = {"type": "http", "headers": [(b"cookie", cookie)]}

    assert async_to_sync(SessionMiddlewareStack(load))(scope, None, send) == data


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='=;, "\\'), min_size=1), st.text())
def test_a_cookie_that_was_set_is_read_with_the_same_value(name, value):
    message = {}
    try:
        CookieMiddleware.set_cookie(message, name, value)
    except CookieError:
        reject()  # a name that Python's cookies do not take
    header = message["headers"][0][1].decode().split(";")[0]

    assert parse_cookie(header)[name] == value
