"""``services.edit_message`` and ``services.delete_message``, and the same over a socket."""

from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.db import OperationalError

from channels_core.db import database_sync_to_async
from chat import rooms, services
from chat.models import Membership, Message, Room
from chat.services import delete_message, edit_message
from tests.chat.drafts import post, texts

in_thread = database_sync_to_async


def change(verb: str, actor, room, message_id: int, text: str = "Changed") -> Message:
    """What the service of that name makes of a message."""
    if verb == "edit":
        return edit_message(actor=actor, room=room, message_id=message_id, text=text)
    return delete_message(actor=actor, room=room, message_id=message_id)


def refused(verb: str, *args, **kwargs) -> str | None:
    """The code with which the service refuses."""
    with pytest.raises(ValidationError) as refusal:
        change(verb, *args, **kwargs)
    return refusal.value.code


def numbers(room: Room) -> tuple[int, int]:
    room.refresh_from_db()
    return room.head, room.last_seq


def make_moderator(user, room: Room) -> None:
    Membership.objects.filter(user=user, room=room).update(role=Membership.Role.MODERATOR)


both = pytest.mark.parametrize("verb", ["edit", "delete"])


def test_an_edited_message_keeps_its_place_and_is_the_rooms_next_change(lobby, alice):
    message = post(alice, lobby, "Helo")
    post(alice, lobby, "Another")

    edited = edit_message(actor=alice, room=lobby, message_id=message.pk, text="**Hello**\r\n")

    stored = Message.objects.get(pk=message.pk)
    assert (stored.text, stored.html) == ("**Hello**", "<p><strong>Hello</strong></p>")
    assert (stored.seq, stored.version, stored.created) == (1, 3, message.created)
    assert stored.edited == edited.edited > message.created
    assert stored.deleted is None
    assert numbers(lobby) == (3, 2)


def test_a_deleted_message_leaves_a_tombstone(lobby, alice):
    message = post(alice, lobby)

    delete_message(actor=alice, room=lobby, message_id=message.pk)

    stored = Message.objects.get(pk=message.pk)
    assert (stored.text, stored.html, stored.seq, stored.version) == ("", "", 1, 2)
    assert stored.deleted > message.created
    assert numbers(lobby) == (2, 1)


@both
def test_the_room_is_told_once_after_the_commit(lobby, alice, told, django_capture_on_commit_callbacks, verb):
    message = post(alice, lobby)

    with django_capture_on_commit_callbacks(execute=True):
        change(verb, alice, lobby, message.pk)
        assert told == []

    [(group, event, position)] = told
    assert (group, position) == (f"room.{lobby.pk}", {"after": 1, "head": 2})
    assert (event["after"], event["head"], texts(event)) == (1, 2, ["Changed" if verb == "edit" else ""])


@both
def test_what_is_asked_again_is_the_same_message(lobby, alice, told, django_capture_on_commit_callbacks, verb):
    message = post(alice, lobby)
    first = change(verb, alice, lobby, message.pk)

    with django_capture_on_commit_callbacks(execute=True):
        again = change(verb, alice, lobby, message.pk)

    assert (again.version, again.edited, again.deleted) == (first.version, first.edited, first.deleted)
    assert numbers(lobby) == (2, 1)
    assert told == []


@pytest.mark.parametrize(("text", "code"), [(" \n", "empty"), ("x" * 4_001, "too_long"), ("\0", "invalid")])
def test_a_text_that_cannot_be_changes_nothing(lobby, alice, text, code):
    message = post(alice, lobby)

    assert refused("edit", alice, lobby, message.pk, text) == code
    assert numbers(lobby) == (1, 1)
    assert Message.objects.get().text == "Hello"


def test_nobody_edits_what_another_has_said_not_even_the_owner(lobby, alice, bob):
    assert Membership.objects.get(room=lobby, user=alice).role == Membership.Role.OWNER
    message = post(bob, lobby)

    assert refused("edit", alice, lobby, message.pk) == "not_yours"


def test_a_member_does_not_delete_what_another_has_said(lobby, alice, bob):
    message = post(alice, lobby)

    assert refused("delete", bob, lobby, message.pk) == "not_yours"


def test_the_owner_deletes_what_anybody_has_said(lobby, alice, bob):
    message = post(bob, lobby)

    assert delete_message(actor=alice, room=lobby, message_id=message.pk).deleted


def test_a_moderator_deletes_what_the_owner_has_said(lobby, alice, bob):
    make_moderator(bob, lobby)
    message = post(alice, lobby)

    assert delete_message(actor=bob, room=lobby, message_id=message.pk).deleted


def test_a_moderator_deletes_what_somebody_has_said_whose_account_is_gone(lobby, alice, bob):
    message = post(bob, lobby)
    bob.delete()

    assert delete_message(actor=alice, room=lobby, message_id=message.pk).deleted


def test_a_deleted_message_cannot_be_edited(lobby, alice):
    message = post(alice, lobby)
    delete_message(actor=alice, room=lobby, message_id=message.pk)

    assert refused("edit", alice, lobby, message.pk) == "deleted"


@both
def test_a_message_of_another_room_or_none_is_not_found(lobby, study, alice, verb):
    """Being the author, and of both rooms, does not help: the id belongs to the other room."""
    message = post(alice, study)

    assert refused(verb, alice, lobby, message.pk) == "no_such_message"
    assert refused(verb, alice, lobby, 2**63 - 1) == "no_such_message"


@both
def test_nobody_changes_anything_in_a_room_they_have_left(lobby, bob, verb):
    message = post(bob, lobby)
    rooms.leave_room(user=bob, room=lobby)

    assert refused(verb, bob, lobby, message.pk) == "not_a_member"


@both
def test_a_deactivated_account_changes_nothing(lobby, bob, verb):
    message = post(bob, lobby)
    bob.is_active = False
    bob.save()

    assert refused(verb, bob, lobby, message.pk) == "not_a_member"


@both
def test_an_archived_room_is_read_only(lobby, alice, verb):
    message = post(alice, lobby)
    Room.objects.filter(pk=lobby.pk).update(archived=True)  # behind the back of the object that is handed over

    assert refused(verb, alice, lobby, message.pk) == "archived"
    assert numbers(lobby) == (1, 1)


# --- Over a socket ---


async def test_every_tab_is_told_of_an_edit_and_a_deletion(join, lobby, alice, bob):
    async with join(alice, lobby) as hers, join(bob, lobby) as his:
        message = (await hers.ask("message.post", client_id=str(uuid4()), text="Hello"))["message"]
        for tab in (hers, his):
            await tab.receive_event("messages")

        for frame, text in (({"type": "message.edit", "text": "Changed"}, "Changed"), ({"type": "message.delete"}, "")):
            reply = await hers.ask(**frame, id=message["id"])

            assert reply["ok"]
            assert (reply["message"]["seq"], reply["message"]["text"]) == (1, text)
            for tab in (hers, his):
                told = await tab.receive_event("messages")
                assert told["messages"] == [reply["message"]]
                assert (told["after"], told["head"]) == (reply["message"]["version"] - 1, reply["message"]["version"])
        assert reply["message"]["html"] == ""
        assert reply["message"]["deleted"]


async def test_who_was_away_is_told_of_an_edit_and_a_deletion(open_socket, lobby, alice):
    edited, deleted, _ = [await in_thread(post)(alice, lobby, text) for text in "abc"]
    await in_thread(change)("edit", alice, lobby, edited.pk)
    await in_thread(change)("delete", alice, lobby, deleted.pk)

    async with open_socket(alice, "/ws/rooms/lobby/?since=3") as tab:
        await tab.connect()
        welcome = await tab.receive_event("welcome")

    assert (welcome["recovered"], welcome["head"]) == (True, 5)
    assert [(message["seq"], message["text"]) for message in welcome["messages"]] == [(1, "Changed"), (2, "")]


@pytest.mark.parametrize("type", ["message.edit", "message.delete"])
async def test_an_id_that_is_wrong_or_missing_is_named(join, lobby, alice, type):
    async with join(alice, lobby) as tab:
        replies = [await tab.ask(type, text="x")]
        replies += [await tab.ask(type, id=value, text="x") for value in (0, -1, 2**63, "1", None, True, [], {})]

    assert {(reply["error"]["code"], reply["error"]["field"]) for reply in replies} == {("invalid", "id")}


async def test_a_text_that_is_missing_is_named(join, lobby, alice):
    async with join(alice, lobby) as tab:
        reply = await tab.ask("message.edit", id=1)

    assert (reply["error"]["code"], reply["error"]["field"]) == ("invalid", "text")


async def test_what_a_service_refuses_is_refused_by_name_and_the_socket_lives_on(join, lobby, alice, bob):
    message = await in_thread(post)(alice, lobby)

    async with join(bob, lobby) as tab:
        for type in ("message.edit", "message.delete"):
            assert (await tab.ask(type, id=message.pk, text="x"))["error"]["code"] == "not_yours"
        assert (await tab.ask("history.get"))["ok"]


async def test_a_database_that_is_away_is_said_and_the_socket_lives_on(join, lobby, alice, monkeypatch):
    def away(**_):
        raise OperationalError("gone")

    async with join(alice, lobby) as tab:
        monkeypatch.setattr(services, "delete_message", away)
        reply = await tab.ask("message.delete", id=1)
        assert (reply["error"]["code"], reply["error"]["retry_after"] > 0) == ("unavailable", True)
        assert (await tab.ask("history.get"))["ok"]


# --- Without script ---


def test_the_page_marks_what_was_edited_and_leaves_a_tombstone_of_what_was_deleted(client_of, lobby, alice):
    edited, deleted = post(alice, lobby, "One"), post(alice, lobby, "Secret")
    for message in (edited, deleted):
        change("edit", alice, lobby, message.pk, f"{message.text}!")
    change("delete", alice, lobby, deleted.pk)

    page = client_of(alice).get("/rooms/lobby/").content.decode()
    first, second = [
        page.split(f'id="message-{message.pk}"')[1].split("</article>")[0] for message in (edited, deleted)
    ]

    assert "One!" in first
    assert '<time class="message__edited" datetime=' in first
    assert "This message was deleted." in second
    assert '<time class="message__edited" hidden' in second
    assert "Secret" not in page
