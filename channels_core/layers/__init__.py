"""Channel layers: mailboxes and groups of mailboxes that code all over a site can send to."""

from .base import BaseChannelLayer
from .manager import ChannelLayerManager, channel_layers, get_channel_layer
from .memory import InMemoryChannelLayer
from .sync import group_send_sync, send_sync

__all__ = [
    "BaseChannelLayer",
    "ChannelLayerManager",
    "InMemoryChannelLayer",
    "channel_layers",
    "get_channel_layer",
    "group_send_sync",
    "send_sync",
]
