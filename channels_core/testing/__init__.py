"""Communicators and a live server: run an application in a test and talk to it as its client."""

from typing import TYPE_CHECKING, Any

from .application import ApplicationCommunicator
from .http import HttpCommunicator
from .websocket import WebsocketCommunicator

if TYPE_CHECKING:
    from .live import ChannelsLiveServerTestCase

__all__ = ["ApplicationCommunicator", "ChannelsLiveServerTestCase", "HttpCommunicator", "WebsocketCommunicator"]


def __getattr__(name: str) -> Any:
    """Load the live server when it is asked for: communicators do without Daphne and without the apps."""
    if name != "ChannelsLiveServerTestCase":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .live import ChannelsLiveServerTestCase

    return ChannelsLiveServerTestCase
