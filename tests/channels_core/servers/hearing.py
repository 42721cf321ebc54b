"""What a client of a real server hears."""

import asyncio

import pytest
from websockets.exceptions import ConnectionClosed

HEARD_WITHIN_S = 20  # a drain takes its time


async def hear(tab):
    async with asyncio.timeout(HEARD_WITHIN_S):
        return await tab.recv()


async def hear_close(tab):
    """The code and reason with which the server closes; None when it was cut off without any."""
    with pytest.raises(ConnectionClosed) as closed:
        await hear(tab)
    return closed.value.rcvd and (closed.value.rcvd.code, closed.value.rcvd.reason)
