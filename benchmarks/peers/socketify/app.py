"""µWebSockets (C++) from Python: topics, and the whole fan-out in C++."""

import signal
import sys

from socketify import App, CompressOptions, OpCode


def upgrade(response, request, socket_context):
    response.upgrade(
        request.get_header("sec-websocket-key"),
        request.get_header("sec-websocket-protocol"),
        request.get_header("sec-websocket-extensions"),
        socket_context,
        request.get_parameter(0),
    )


def opened(socket):
    socket.subscribe(socket.get_user_data())


def received(socket, text, opcode):
    # The publish of a socket leaves out the socket itself; that of the app does not.
    app.publish(socket.get_user_data(), text, OpCode.TEXT)


app = App()
app.ws(
    "/ws/:room/",
    {
        "compression": CompressOptions.DISABLED,
        "send_pings_automatically": True,  # who only listens would be closed as idle
        "max_backpressure": 16 * 1024 * 1024,
        "upgrade": upgrade,
        "open": opened,
        "message": received,
    },
)
app.listen({"host": "127.0.0.1", "port": int(sys.argv[1])})
signal.signal(signal.SIGTERM, lambda *_: app.close())
app.run()
