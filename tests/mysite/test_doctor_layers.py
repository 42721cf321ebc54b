"""``manage.py doctor`` on Redis and the channel layer."""

import pytest
from django.test import override_settings
from redis import Redis

from channels_core.layers import InMemoryChannelLayer, channel_layers
from mysite.doctor import Level, layers
from tests.mysite.doctored import bad, levels, one
from tests.servers import RedisServer, free_port


@pytest.fixture
def own_redis():
    """A Redis that a test may fill and reconfigure."""
    server = RedisServer()
    server.start()
    yield server
    server.remove()


def test_without_redis_nothing_else_is_tried():
    """One cause, one finding: a layer that waits for a Redis that is not there says nothing new."""
    url = f"redis://127.0.0.1:{free_port()}/0"
    layer = {"BACKEND": "channels_core.layers.redis.RedisChannelLayer", "CONFIG": {"hosts": [url]}}
    with override_settings(REDIS_URL=url, CHANNEL_LAYERS={"default": layer}):
        assert levels(layers.examine()) == [Level.ERROR]


@pytest.mark.parametrize(
    "backend",
    [
        "channels_core.layers.redis.RedisChannelLayer",
        "channels_redis.core.RedisChannelLayer",
        "channels_redis.pubsub.RedisPubSubChannelLayer",
    ],
)
def test_what_is_sent_through_redis_comes_back(redis_server, backend):
    layer = {"BACKEND": backend, "CONFIG": {"hosts": [redis_server.url]}}
    with override_settings(REDIS_URL=redis_server.url, CHANNEL_LAYERS={"default": layer}):
        answers, comes_back = layers.examine()

    assert levels([answers, comes_back]) == [Level.OK, Level.OK]
    assert f" at {redis_server.url} answers in " in answers.text
    assert backend.rpartition(".")[2] in comes_back.text


def test_a_wrong_password_is_not_shown(redis_server):
    url = redis_server.url.replace("//", "//user:sesame@")

    level, text, fix = one(layers.examine_redis(url))

    assert level == Level.ERROR
    assert "does not let us in" in text
    assert "sesame" not in text + fix


def test_an_address_of_redis_that_cannot_be_read_is_told_without_its_password():
    """A # that is not written as %23 ends the address, so that the password is taken for a port."""
    level, text, fix = one(layers.examine_redis("redis://:sesame#open@localhost:6379/0"))

    assert level == Level.ERROR
    assert "%XX" in fix
    assert "sesame" not in text
    assert "open" not in text


def test_a_redis_that_forgets_is_warned_of(own_redis):
    with Redis.from_url(own_redis.url) as redis:
        redis.config_set("maxmemory", "100mb")
        redis.config_set("maxmemory-policy", "volatile-ttl")
        calm = bad(layers.examine_redis(own_redis.url))
        redis.config_set("maxmemory-policy", "allkeys-lru")
        as_cache = one(layers.examine_redis(own_redis.url))
        redis.config_set("maxmemory-policy", "volatile-ttl")
        redis.set("presence", "x" * 1000, ex=60)
        redis.config_set("maxmemory", "1")  # byte
        redis.ping()
        redis.config_set("maxmemory", "100mb")
        thrown_away = one(layers.examine_redis(own_redis.url))

    assert calm == []
    assert "allkeys-lru" in as_cache[1]
    assert "1 key since" in thrown_away[1]


class DeafLayer(InMemoryChannelLayer):
    async def group_send(self, group, message):
        pass


class BrokenLayer(InMemoryChannelLayer):
    async def group_send(self, group, message):
        raise OSError("redis://:sesame@localhost")


@pytest.mark.parametrize(("layer", "word"), [(DeafLayer, "did not come back within 0.05 s"), (BrokenLayer, "OSError")])
def test_a_layer_that_does_not_deliver_is_told(monkeypatch, layer, word):
    monkeypatch.setattr(layers, "ANSWERS_WITHIN_S", 0.05)
    monkeypatch.setitem(channel_layers.backends, "default", layer())

    finding = layers.round_trip()

    assert finding.level == Level.ERROR
    assert word in finding.text
    assert "sesame" not in finding.text
