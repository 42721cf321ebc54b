"""python-socketio with rooms, its Redis manager between the processes."""

import os
from urllib.parse import parse_qs

import socketio

server = socketio.AsyncServer(
    async_mode="asgi",
    client_manager=socketio.AsyncRedisManager(os.environ["REDIS_URL"]),
    async_handlers=False,  # one after the other: messages of one client stay in order
    transports=["websocket"],
    cors_allowed_origins="*",
)


@server.event
async def connect(sid, environ):
    room = parse_qs(environ["QUERY_STRING"])["room"][0]
    await server.save_session(sid, {"room": room})
    await server.enter_room(sid, room)


@server.event
async def post(sid, text):
    session = await server.get_session(sid)
    await server.emit("message", text, to=session["room"])


application = socketio.ASGIApp(server)
