"""Messages as a person sends them: through the service that sockets and forms use."""

from uuid import UUID, uuid4

from chat.models import Message, Room, User
from chat.services import Draft, post_messages

# The same as a frame on a socket.
HELLO = {"type": "message.post", "ref": 1, "client_id": str(uuid4()), "text": "Hello"}


def draft(author: User, room: Room, text: str = "Hello", client_id: UUID | None = None) -> Draft:
    """What ``author`` wants to say in ``room``, with an id of its own unless one is given."""
    return Draft(room.pk, author.pk, client_id or uuid4(), text)


def post(author: User, room: Room, text: str = "Hello") -> Message:
    """Say something that is not refused."""
    [message] = post_messages([draft(author, room, text)])
    assert isinstance(message, Message), message
    return message


def texts(event: dict) -> list[str]:
    """What the messages of an event say."""
    return [message["text"] for message in event["messages"]]
