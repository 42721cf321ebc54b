"""The base of middleware."""

from channels_core.middleware import BaseMiddleware


async def test_the_inner_application_gets_a_copy_of_the_scope():
    async def inner(scope, receive, send):
        scope["added"] = True
        return scope, receive, send

    outer = {"type": "websocket"}
    scope, receive, send = await BaseMiddleware(inner)(outer, "receive", "send")

    assert scope == {"type": "websocket", "added": True}
    assert outer == {"type": "websocket"}
    assert (receive, send) == ("receive", "send")


def test_the_inner_application_is_an_attribute():
    inner = object()
    assert BaseMiddleware(inner).inner is inner
