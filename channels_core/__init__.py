"""The real-time runtime: ASGI routing, consumers, channel layers. Its public API is Django Channels'."""

__version__ = "4.3.2"  # the release of Channels whose API this is

DEFAULT_CHANNEL_LAYER = "default"
