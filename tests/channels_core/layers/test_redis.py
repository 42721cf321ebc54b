"""Our layer over Redis, beyond the contract: few commands, the wire of channels_redis, a link for each loop."""

import asyncio
import os
import random
import subprocess
import sys
import threading
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from cryptography.fernet import InvalidToken
from redis import Redis
from redis.exceptions import ResponseError

from channels_core.consumer import AsyncConsumer
from channels_core.layers.redis import RedisChannelLayer
from channels_core.worker import Worker
from tests.channels_core.layers.conftest import BACKENDS
from tests.channels_core.layers.members import HELLO, member, received
from tests.servers import until, wait_until


@pytest.fixture
def backend():
    return BACKENDS["redis-own"]


@pytest.fixture
def redis(redis_server):
    with Redis.from_url(redis_server.url) as redis:
        yield redis


def calls(redis, command):
    """How often the server was given a command."""
    return redis.info("commandstats").get(f"cmdstat_{command}", {}).get("calls", 0)


def clients(redis):
    """The connections that the server has, each by its number."""
    return {client["id"] for client in redis.client_list()}


def subscribers(redis, name):
    """How many connections are subscribed to that name."""
    [(_, count)] = redis.pubsub_numsub(name)
    return count


# The wire


@pytest.mark.parametrize(
    "options",
    [{}, {"serializer_format": "json"}, {"symmetric_encryption_keys": ["sesame"]}],
    ids=["msgpack", "json", "encrypted"],
)
async def test_group_messages_are_those_of_channels_redis(make_layer, options):
    ours, theirs = make_layer(**options), make_layer("redis-pubsub", **options)
    here, there = await member(ours, "room.1"), await member(theirs, "room.1")

    await ours.group_send("room.1", HELLO)
    assert await received(ours, here) == HELLO
    assert await received(theirs, there) == HELLO

    await theirs.group_send("room.1", {"type": "theirs"})
    assert await received(ours, here) == {"type": "theirs"}
    assert await received(theirs, there) == {"type": "theirs"}


async def test_encrypted_messages_cannot_be_read_in_redis(make_layer, redis, prefix):
    layer = make_layer(symmetric_encryption_keys=["sesame"])
    channel = await member(layer, "room.1")
    with redis.pubsub(ignore_subscribe_messages=True) as listening:
        listening.psubscribe(f"{prefix}*")
        listening.get_message(timeout=5)

        await layer.group_send("room.1", HELLO)
        await layer.send(channel, HELLO)

        for _ in range(2):
            data = listening.get_message(timeout=5)["data"]
            assert b"Hello" not in data
            assert channel.encode() not in data
    with pytest.raises(InvalidToken):
        make_layer(symmetric_encryption_keys=["other"]).deserialize(data)


async def test_what_cannot_be_read_is_dropped_and_its_readers_live_on(make_layer, caplog):
    layer, stranger = make_layer(), make_layer(symmetric_encryption_keys=["sesame"])
    channel = await member(layer, "room.1")

    await stranger.group_send("room.1", HELLO)
    await stranger.send(channel, HELLO)
    await layer.group_send("room.1", {"type": "readable"})

    assert await received(layer, channel) == {"type": "readable"}
    assert caplog.text.count("cannot be read") == 1


async def test_sites_with_prefixes_of_their_own_do_not_hear_each_other(make_layer, redis):
    another = uuid4().hex
    here, there = make_layer(), make_layer(prefix=another)
    channel = await member(there, "room.1")
    worker = asyncio.create_task(received(there, "jobs"))
    await until(lambda: subscribers(redis, f"{another}__channel__jobs") == 1)
    await there.send("jobs", {"type": "first"})
    assert await worker == {"type": "first"}

    await here.group_send("room.1", HELLO)
    await here.send(channel, HELLO)
    await here.send("jobs", HELLO)
    await there.send(channel, {"type": "second"})

    assert await received(there, channel) == {"type": "second"}
    assert HELLO not in [packet.message for packet in there.channels["jobs"]._packets]


# Commands


async def test_a_channel_costs_no_command(layer, redis):
    await layer.new_channel()
    before = redis.info("stats")["total_commands_processed"]

    channels = [await layer.new_channel() for _ in range(100)]
    for channel in channels:
        layer.forget_channel(channel)

    assert redis.info("stats")["total_commands_processed"] - before <= 1  # the first look itself


async def test_a_group_is_subscribed_for_its_first_member_and_left_by_its_last(layer, redis, prefix):
    name = f"{prefix}__group__room.1"
    first, second = await member(layer), await member(layer)
    before = calls(redis, "subscribe")

    for channel in (first, second):
        await layer.group_add("room.1", channel)
        assert redis.pubsub_numsub(name) == [(name.encode(), 1)]
    assert calls(redis, "subscribe") == before + 1

    await layer.group_discard("room.1", first)
    await layer.group_send("room.1", HELLO)
    assert await received(layer, second) == HELLO
    await layer.group_discard("room.1", second)
    await until(lambda: subscribers(redis, name) == 0)


async def test_whoever_joins_meanwhile_waits_for_the_same_confirmation(layer, redis, prefix):
    name = f"{prefix}__group__room.1"
    channels = [await layer.new_channel() for _ in range(3)]
    joining = [asyncio.create_task(layer.group_add("room.1", channel)) for channel in channels]

    done, _ = await asyncio.wait(joining, return_when=asyncio.FIRST_COMPLETED, timeout=5)

    assert done
    assert redis.pubsub_numsub(name) == [(name.encode(), 1)]
    await asyncio.gather(*joining)


async def test_joins_of_one_turn_are_told_together_and_not_too_many_at_a_time(layer, redis):
    channel = await layer.new_channel()
    before = calls(redis, "subscribe")

    await asyncio.gather(*(layer.group_add(f"room.{number}", channel) for number in range(1100)))

    assert calls(redis, "subscribe") - before == 3  # 512, 512 and 76
    await layer.group_send("room.1099", HELLO)
    assert await received(layer, channel) == HELLO


async def test_what_is_sent_in_one_turn_is_written_at_once(layer, redis):
    channel = await member(layer, "room.1")
    before = redis.info("stats")["total_reads_processed"]

    await asyncio.gather(*(layer.group_send("room.1", {"type": "count", "n": n}) for n in range(100)))

    assert redis.info("stats")["total_reads_processed"] - before < 10
    assert [(await received(layer, channel))["n"] for _ in range(100)] == list(range(100))


@pytest.mark.parametrize("seed", range(5))
async def test_joins_and_leaves_that_cross_end_as_the_last_of_them_says(layer, seed):
    chance = random.Random(seed)
    channels = [await layer.new_channel() for _ in range(3)]
    groups = ["room.1", "room.2"]
    members, acts = set(), []
    for _ in range(60):
        group, channel = chance.choice(groups), chance.choice(channels)
        if chance.random() < 0.5:
            members.add((group, channel))
            acts.append(asyncio.create_task(layer.group_add(group, channel)))
        else:
            members.discard((group, channel))
            acts.append(asyncio.create_task(layer.group_discard(group, channel)))
        if chance.random() < 0.3:
            await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await asyncio.gather(*acts)

    for group in groups:
        await layer.group_send(group, {"type": "to", "group": group})
    for channel in channels:
        await layer.send(channel, {"type": "end"})
    for channel in channels:
        heard = set()
        while (message := await received(layer, channel)) != {"type": "end"}:
            heard.add((message["group"], channel))
        assert heard == {each for each in members if each[1] == channel}


async def test_a_join_that_is_given_up_is_no_join(layer, redis_server):
    channel = await layer.new_channel()
    joining = asyncio.create_task(layer.group_add("room.1", channel))
    await asyncio.sleep(0)
    joining.cancel()
    await asyncio.wait([joining])

    await layer.group_send("room.1", HELLO)
    await layer.send(channel, {"type": "end"})

    assert layer.groups == {}
    assert await received(layer, channel) == {"type": "end"}


@pytest.mark.parametrize("gives_up", [0, 1])
async def test_who_joins_at_the_same_time_as_one_that_gives_up_has_joined(layer, gives_up):
    channel = await layer.new_channel()
    joining = [asyncio.create_task(layer.group_add("room.1", channel)) for _ in range(2)]
    await asyncio.sleep(0)

    joining.pop(gives_up).cancel()
    await asyncio.wait_for(joining[0], 5)
    await layer.group_send("room.1", HELLO)

    assert await received(layer, channel) == HELLO


async def test_where_all_who_join_at_the_same_time_give_up_nobody_has_joined(layer):
    channel = await layer.new_channel()
    joining = [asyncio.create_task(layer.group_add("room.1", channel)) for _ in range(2)]
    await asyncio.sleep(0)

    for each in joining:
        each.cancel()
    await asyncio.wait(joining)

    assert layer.groups == {}


async def test_what_redis_refuses_is_told_to_whom_it_is_about(make_layer, redis, prefix, redis_server):
    redis.acl_setuser(
        "guest",
        enabled=True,
        passwords=["+pass"],
        commands=["+@all"],
        channels=[f"{prefix}__group__open.*", "*__channel__*"],
    )
    layer = make_layer(hosts=[redis_server.url.replace("//", "//guest:pass@")])
    channel = await layer.new_channel()

    sent = await asyncio.gather(
        layer.group_send("open.1", HELLO), layer.group_send("secret", HELLO), return_exceptions=True
    )
    joined = await asyncio.gather(
        *(layer.group_add(group, channel) for group in ("open.1", "secret", "open.2")), return_exceptions=True
    )

    assert [type(each) for each in sent] == [type(None), type(sent[1])]
    assert isinstance(sent[1], ResponseError)
    assert [isinstance(each, ResponseError) for each in joined] == [False, True, False]
    for group in ("open.1", "open.2"):
        await layer.group_send(group, {"type": group})
        assert await received(layer, channel) == {"type": group}
    redis.acl_deluser("guest")


# Mistakes


async def test_what_is_no_message_is_refused(layer):
    channel = await layer.new_channel()

    for message in ("text", {"type": "x", "__asgi_channel__": "somebody.else!1"}):
        with pytest.raises(AssertionError):
            await layer.send(channel, message)
    with pytest.raises(AssertionError):
        await layer.group_send("room.1", ["no dict"])
    with pytest.raises(TypeError):
        await layer.group_send("room.1", {"type": "x", "value": object()})


async def test_a_channel_of_another_process_cannot_be_made_a_member_here(make_layer):
    elsewhere = await make_layer().new_channel()

    with pytest.raises(RuntimeError, match="of this process"):
        await make_layer().group_add("room.1", elsewhere)


def test_an_option_that_it_does_not_take_is_refused():
    """channels_redis ignores it; and what it calls when the line breaks, nobody would call here."""
    with pytest.raises(TypeError, match=r"'on_disconnect', 'group_expiry'.*add_missed_hook"):
        RedisChannelLayer(on_disconnect=print, group_expiry=60)


def test_hosts_are_a_list():
    with pytest.raises(ValueError, match="list"):
        RedisChannelLayer(hosts="redis://localhost")


# Channels without an owner


async def test_a_plain_channel_is_heard_while_somebody_receives_and_after(layer, redis, prefix):
    name = f"{prefix}__channel__jobs"
    waiting = asyncio.create_task(received(layer, "jobs"))
    await until(lambda: subscribers(redis, name) == 1)

    await layer.send("jobs", {"type": "first"})
    assert await waiting == {"type": "first"}
    await layer.send("jobs", {"type": "second"})
    assert await received(layer, "jobs") == {"type": "second"}

    layer.forget_channel("jobs")
    await until(lambda: subscribers(redis, name) == 0)


async def test_a_worker_works(layer, redis, prefix):
    heard = asyncio.Queue()

    class Works(AsyncConsumer):
        channel_layer_alias = None

        async def work(self, message):
            heard.put_nowait(message["n"])

    working = asyncio.create_task(Worker(Works.as_asgi(), ["jobs"], layer).arun())
    await until(lambda: subscribers(redis, f"{prefix}__channel__jobs") == 1)
    for number in range(20):
        await layer.send("jobs", {"type": "work", "n": number})
    async with asyncio.timeout(5):
        assert [await heard.get() for _ in range(20)] == list(range(20))
    working.cancel()
    await asyncio.wait([working])


# Event loops and processes


def test_each_event_loop_has_connections_of_its_own_and_closes_them(redis_server, redis, prefix):
    layer = RedisChannelLayer(hosts=[redis_server.url], prefix=prefix)
    before = clients(redis)
    heard = []

    async def listen(ready):
        channel = await member(layer, "room.1")
        ready.set()
        heard.append(await received(layer, channel))

    ready = [threading.Event() for _ in range(2)]
    threads = [threading.Thread(target=asyncio.run, args=(listen(each),)) for each in ready]
    for thread in threads:
        thread.start()
    for each in ready:
        assert each.wait(5)
    assert clients(redis) - before
    async_to_sync(layer.group_send)("room.1", HELLO)
    for thread in threads:
        thread.join()

    assert heard == [HELLO, HELLO]
    wait_until(lambda: clients(redis) <= before, what="the connections to be closed")


async def test_who_is_cancelled_because_the_event_loop_ends_can_still_say_goodbye(layer, redis_server, prefix):
    """asyncio.run cancels the tasks of connections together with those that are theirs to end."""
    channel = await member(layer, "room.1")
    elsewhere = RedisChannelLayer(hosts=[redis_server.url], prefix=prefix)

    def others():
        return asyncio.all_tasks() - {asyncio.current_task()}

    async def leave():
        try:
            await elsewhere.receive(await member(elsewhere, "room.2"))
        finally:
            async with asyncio.timeout(5):
                await asyncio.gather(*others(), return_exceptions=True)
            await elsewhere.group_send("room.1", {"type": "goodbye"})

    async def main():
        leaving = asyncio.create_task(leave())
        await elsewhere.group_send("room.1", HELLO)
        await until(lambda: any(mailbox.readers for mailbox in elsewhere.channels.values()))
        assert not leaving.done()

    await asyncio.to_thread(asyncio.run, main())

    assert [await received(layer, channel) for _ in range(2)] == [HELLO, {"type": "goodbye"}]


async def test_after_a_flush_the_layer_is_as_new(layer, redis):
    before = clients(redis)
    await member(layer, "room.1")
    await layer.group_send("room.1", HELLO)
    assert clients(redis) - before

    await layer.flush()
    assert layer.groups == layer.channels == {}
    await until(lambda: clients(redis) <= before)

    channel = await member(layer, "room.1")
    await layer.group_send("room.1", {"type": "new"})
    assert await received(layer, channel) == {"type": "new"}


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
async def test_a_forked_process_has_its_own_connections(layer):
    """It inherits those of its parent, and must not use them."""
    channel = await member(layer, "room.1")

    async def as_child():
        own = await member(layer, "room.1")
        await layer.group_send("room.1", {"type": "from the child"})
        return await received(layer, own) == {"type": "from the child"} and own.partition("!")[0] not in channel

    child = os.fork()
    if child == 0:
        asyncio._set_running_loop(None)
        status = 1
        try:
            status = 0 if asyncio.run(as_child()) else 2
        finally:
            os._exit(status)
    _, status = await asyncio.to_thread(os.waitpid, child, 0)

    assert status == 0
    assert await received(layer, channel) == {"type": "from the child"}
    await layer.group_send("room.1", HELLO)
    assert await received(layer, channel) == HELLO


def test_importing_it_does_not_load_channels():
    code = "import sys, channels_core.layers.redis as redis; sys.exit('channels' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
