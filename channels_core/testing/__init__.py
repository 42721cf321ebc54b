"""Communicators: run an application in a test and talk to it as its client."""

from .application import ApplicationCommunicator
from .websocket import WebsocketCommunicator

__all__ = ["ApplicationCommunicator", "WebsocketCommunicator"]
