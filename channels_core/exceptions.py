"""Everything that the runtime raises by a name of its own, and what consumers raise to steer it."""


class RequestAborted(Exception):
    """The client went away before its request was complete."""


class RequestTimeout(RequestAborted):
    """The request took longer to arrive than it may."""


class InvalidChannelLayerError(ValueError):
    """A channel layer is configured wrongly, or lacks what the caller needs of it."""


class AcceptConnection(Exception):
    """Raise in a consumer's ``connect()`` to accept the connection."""


class DenyConnection(Exception):
    """Raise in a consumer's ``connect()`` to refuse the connection."""


class ChannelFull(Exception):
    """A channel holds as many unread messages as it may; the new one was not delivered."""


class MessageTooLarge(Exception):
    """A message is larger than the channel layer can carry."""


class StopConsumer(Exception):
    """Raise in a handler to end the consumer: the application returns, without an error."""
