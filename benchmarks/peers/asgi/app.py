"""What ASGI allows without any framework: each text is sent, in a loop, to everybody in the room."""

from collections import defaultdict

rooms = defaultdict(set)


async def application(scope, receive, send):
    if scope["type"] != "websocket":
        return
    room = rooms[scope["path"]]
    await receive()
    await send({"type": "websocket.accept"})
    room.add(send)
    try:
        while (message := await receive())["type"] == "websocket.receive":
            for member in tuple(room):
                await member({"type": "websocket.send", "text": message["text"]})
    finally:
        room.discard(send)
