"""From which origins a websocket may be opened."""

import logging

import pytest

from channels_core.generic.websocket import AsyncWebsocketConsumer
from channels_core.layers import channel_layers
from channels_core.security.websocket import AllowedHostsOriginValidator, OriginValidator
from channels_core.testing import WebsocketCommunicator

ACCEPTED = (True, None)
REFUSED = (False, 1000)


class Accepts(AsyncWebsocketConsumer):
    channel_layer_alias = None


async def knock(validator, *origins, path="/ws/"):
    """What connecting from a page of ``origins`` comes to."""
    headers = [(b"origin", origin.encode("latin-1")) for origin in origins]
    communicator = WebsocketCommunicator(validator, path, headers=headers)
    try:
        return await communicator.connect()
    finally:
        await communicator.disconnect()


def warnings(caplog):
    return [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("allowed", "origin"),
    [
        ("allowed-domain.com", "http://allowed-domain.com"),
        ("Allowed-Domain.com", "HTTPS://ALLOWED-domain.com"),
        ("allowed-domain.com", "http://allowed-domain.com:9999"),
        (".allowed-domain.com", "http://www.allowed-domain.com"),
        (".allowed-domain.com", "http://allowed-domain.com"),
        ("http://allowed-domain.com", "http://allowed-domain.com"),
        ("http://.allowed-domain.com:81", "http://www.allowed-domain.com:81"),
        ("http://a.com:80", "http://a.com"),
        ("https://a.com", "https://a.com:443"),
        ("https://*.a.com", "https://www.a.com"),
        ("https://*.a.com:8443", "https://www.a.com:8443"),
        ("a.com:80", "http://a.com"),
        ("a.com:8000", "http://a.com:8000"),
        ("[::1]", "http://[::1]:80"),
        ("[::1]:8000", "http://[::1]:8000"),
        ("*", "http://anything.com"),
        ("*", "null"),
    ],
)
async def test_an_origin_that_fits_is_let_in(allowed, origin):
    assert await knock(OriginValidator(Accepts(), [allowed]), origin) == ACCEPTED


@pytest.mark.parametrize(
    ("allowed", "origin"),
    [
        ("allowed-domain.com", "http://bad-domain.com"),
        ("allowed-domain.com", "http://www.allowed-domain.com"),
        ("allowed-domain.com", "http://allowed-domain.com.bad-domain.com"),
        ("*.allowed-domain.com", "http://allowed-domain.com"),
        ("*.allowed-domain.com", "http://www.allowed-domain.com"),
        (".allowed-domain.com", ""),
        (".allowed-domain.com", "something-invalid"),
        (".allowed-domain.com", "http://bad-allowed-domain.com"),
        ("http://allowed-domain.com", "https://bad-domain.com:443"),
        ("http://allowed-domain.com", "https://allowed-domain.com"),
        ("http://allowed-domain.com", "http://allowed-domain.com:8080"),
        ("http://a.com:443", "https://a.com"),
        ("https://*.a.com", "http://www.a.com"),
        ("a.com:8000", "http://a.com:9000"),
        ("a.com:8000", "http://a.com"),
        ("a.com", "null"),
        ("a.com", "http://a.com."),
    ],
)
async def test_an_origin_that_does_not_fit_is_refused(allowed, origin):
    assert await knock(OriginValidator(Accepts(), [allowed]), origin) == REFUSED


@pytest.mark.parametrize("origin", ["http://[", "http://a.com:99999", "http://a.com:port"])
@pytest.mark.parametrize("allowed", ["a.com", "http://a.com", "*"])
async def test_what_is_no_origin_is_refused_like_any_other(allowed, origin, caplog):
    """A client can send anything: that is no error of the server's."""
    assert await knock(OriginValidator(Accepts(), [allowed]), origin) == REFUSED
    assert [record.levelname for record in warnings(caplog)] == ["WARNING"]


async def test_several_origins_are_refused():
    """Browsers send one; a proxy may have looked at another than we would."""
    validator = OriginValidator(Accepts(), ["*"])
    assert await knock(validator, "http://a.com", "http://a.com") == REFUSED


@pytest.mark.parametrize(("allowed", "result"), [(["*"], ACCEPTED), (["a.com"], REFUSED), ([], REFUSED)])
async def test_a_client_without_origin_is_let_in_only_where_everybody_is(allowed, result):
    assert await knock(OriginValidator(Accepts(), allowed)) == result


@pytest.mark.parametrize(
    "pattern",
    ["", "http://", "https://a.com/", "a.com/path", "a.com:port", "http://[", "::1", "https://me@a.com"],
)
def test_a_pattern_that_no_origin_fits_is_refused_at_once(pattern):
    with pytest.raises(ValueError, match="Expected an allowed origin"):
        OriginValidator(Accepts(), ["a.com", pattern])


async def test_other_connections_are_a_value_error():
    with pytest.raises(ValueError, match="'http'"):
        await OriginValidator(Accepts(), ["*"])({"type": "http", "headers": []}, None, None)


async def test_a_refusal_says_what_was_refused_and_which_setting_to_change(caplog, settings):
    settings.ALLOWED_HOSTS = ["chat.example.com", ".example.org"]

    await knock(AllowedHostsOriginValidator(Accepts()), "https://evil.example.com")

    [record] = warnings(caplog)
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        "Refused a websocket to '/ws/' from origin 'https://evil.example.com'. "
        "Allowed: chat.example.com, .example.org. If it is yours, add its host to the setting ALLOWED_HOSTS."
    )


async def test_a_refusal_keeps_the_log_in_one_short_line(caplog):
    origin, path = "http://b.com\r\nforged" + "x" * 9999, "/ws/%0Aforged/" + "x" * 9999
    await knock(OriginValidator(Accepts(), ["a.com"]), origin, path=path)

    [record] = warnings(caplog)
    assert "\n" not in record.getMessage()
    assert len(record.getMessage()) < 600


async def test_allowed_hosts_are_the_origins(settings):
    settings.ALLOWED_HOSTS = ["a.com"]
    validator = AllowedHostsOriginValidator(Accepts())

    assert await knock(validator, "http://a.com") == ACCEPTED
    assert await knock(validator, "http://localhost") == REFUSED


@pytest.mark.parametrize("origin", ["http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000"])
@pytest.mark.parametrize(("debug", "result"), [(True, ACCEPTED), (False, REFUSED)])
async def test_without_allowed_hosts_this_machine_may_develop(settings, debug, origin, result):
    settings.ALLOWED_HOSTS = []
    settings.DEBUG = debug
    assert await knock(AllowedHostsOriginValidator(Accepts()), origin) == result


async def test_a_refused_connection_costs_no_mailbox(settings):
    """The layer is not even built."""
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels_core.layers.InMemoryChannelLayer"}}

    assert await knock(OriginValidator(Accepts(), []), "http://a.com") == REFUSED
    assert channel_layers.backends == {}


async def test_hooks_of_a_subclass_decide():
    class EvenPorts(OriginValidator):
        def match_allowed_origin(self, parsed_origin, pattern):
            return pattern == "a.com" and self.get_origin_port(parsed_origin) % 2 == 0

    validator = EvenPorts(Accepts(), ["a.com"])
    assert await knock(validator, "http://b.com") == ACCEPTED
    assert await knock(validator, "https://b.com") == REFUSED
