"""Members of groups, and what they are told."""

import asyncio

HELLO = {"type": "greeting", "text": "Hello"}


async def member(layer, *groups):
    """A new channel that has joined ``groups``."""
    channel = await layer.new_channel()
    await asyncio.gather(*(layer.group_add(group, channel) for group in groups))
    return channel


async def received(layer, channel):
    """The next message of a channel, within the time that a busy machine may need."""
    async with asyncio.timeout(5):
        return await layer.receive(channel)
