"""What this process counts and is: plain numbers, kept on hot paths, for whoever wants to export them."""

from collections import Counter
from collections.abc import Callable

# What was dropped since the process started. Reasons: "channel_full", "expired" (messages of our layers),
# "unreadable" (what another key or serialiser has made), "slow_socket" (connections closed with 1013),
# "after_close" (events for a socket that was closed), "overdue" (connections given up because their clients
# let the server wait).
drops: Counter[str] = Counter()


class Meters:
    """The numbers of one process since its start."""

    __slots__ = ("connections", "is_draining", "loop_lag_s", "opened", "received", "sent")

    def __init__(self) -> None:
        self.connections = 0  # websockets with a consumer, now
        self.opened = 0  # websockets that came to a consumer
        self.received = 0  # frames from clients
        self.sent = 0  # frames to clients, as given to the server
        self.loop_lag_s = 0.0  # how late the event loop was, at worst, within the last second
        self.is_draining = False  # whether the server has been told to stop


meters = Meters()

# The servers in ``channels_core.servers`` call these once a second; they also are what measures the lag.
each_second: list[Callable[[], None]] = []
