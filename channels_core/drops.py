"""What was dropped, counted since the process started: plain integers, for whoever wants to export them."""

from collections import Counter

# Reasons: "channel_full", "expired" (messages of the in-memory layer), "slow_socket" (connections closed with
# 1013), "after_close" (events for a socket that was closed).
drops: Counter[str] = Counter()
