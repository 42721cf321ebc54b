"""The admin: all models of the chat open, messages are only read, and a room keeps its numbers."""

import pytest
from django.contrib import admin

from chat.models import COLOURS, Ban, Membership, Message, Room, User
from tests.chat.drafts import post
from tests.people import make_person

MODELS = ["user", "room", "membership", "ban", "message"]


@pytest.fixture
def root(client_of):
    """The browser of somebody who may do anything."""
    return client_of(make_person("root", is_staff=True, is_superuser=True))


@pytest.fixture
def said(lobby, alice):
    return post(alice, lobby, "Hello")


@pytest.fixture
def ban(lobby, alice, carol):
    return Ban.objects.create(room=lobby, user=carol, by=alice)


@pytest.mark.parametrize("model", MODELS)
def test_each_model_is_listed_searched_and_shown(root, said, ban, model):
    kind = {"user": User, "room": Room, "membership": Membership, "ban": Ban, "message": Message}[model]

    assert root.get(f"/admin/chat/{model}/").status_code == 200
    assert root.get(f"/admin/chat/{model}/", {"q": "a"}).context["cl"].result_count >= (model != "room")
    assert root.get(f"/admin/chat/{model}/{kind.objects.first().pk}/change/").status_code == 200


def test_no_model_of_the_chat_is_missing():
    assert {model._meta.model_name for model in admin.site._registry if model._meta.app_label == "chat"} == set(MODELS)


@pytest.mark.parametrize("model", MODELS)
def test_the_admin_is_for_staff(client_of, said, alice, model):
    assert client_of(alice).get(f"/admin/chat/{model}/").status_code == 302


def test_messages_are_only_read(root, said):
    """A change made here would take no number of its room, and no open page would learn of it."""
    path = f"/admin/chat/message/{said.pk}"

    assert root.get("/admin/chat/message/add/").status_code == 403
    assert root.post(f"{path}/change/", {"text": "Changed"}).status_code == 403
    assert root.post(f"{path}/delete/", {"post": "yes"}).status_code == 403
    root.post("/admin/chat/message/", {"action": "delete_selected", "_selected_action": [said.pk], "post": "yes"})
    assert Message.objects.get().text == "Hello"
    assert 'name="text"' not in root.get(f"{path}/change/").content.decode()


def test_a_room_is_deleted_with_all_that_is_in_it(root, lobby, said):
    response = root.post(f"/admin/chat/room/{lobby.pk}/delete/", {"post": "yes"})

    assert response.status_code == 302
    assert not Room.objects.filter(pk=lobby.pk).exists()
    assert not Message.objects.exists()


def test_a_ban_is_lifted_and_outlives_the_account_that_made_it(root, alice, ban):
    root.post(f"/admin/chat/user/{alice.pk}/delete/", {"post": "yes"})
    assert Ban.objects.get().by is None

    root.post(f"/admin/chat/ban/{ban.pk}/delete/", {"post": "yes"})
    assert not Ban.objects.exists()


def test_an_account_is_deleted_and_what_it_said_stays(root, alice, said):
    assert root.post(f"/admin/chat/user/{alice.pk}/delete/", {"post": "yes"}).status_code == 302

    assert Message.objects.get().author is None


def room_form(room: Room, **fields) -> dict:
    """What the admin's page of a room sends."""
    values = {name: getattr(room, name) for name in ("slug", "name", "topic", "kind")}
    inlines = {"memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0}
    return values | inlines | fields


def test_a_room_is_archived_and_renamed(root, lobby):
    response = root.post(f"/admin/chat/room/{lobby.pk}/change/", room_form(lobby, name="Hall", archived="on"))

    assert response.status_code == 302
    lobby.refresh_from_db()
    assert (lobby.name, lobby.archived) == ("Hall", True)


def test_a_room_is_made(root):
    root.post("/admin/chat/room/add/", room_form(Room(slug="attic", name="Attic", kind="public")))

    assert Room.objects.get(slug="attic").head == 0


def test_a_change_of_a_room_does_not_turn_back_its_numbers(root, lobby, alice, monkeypatch):
    """Somebody posts between the reading and the writing; to lose that number would break the room for good."""
    save_model = admin.site._registry[Room].save_model

    def save_a_moment_later(*args, **kwargs):
        post(alice, lobby, "Meanwhile")
        save_model(*args, **kwargs)

    monkeypatch.setattr(admin.site._registry[Room], "save_model", save_a_moment_later)
    root.post(f"/admin/chat/room/{lobby.pk}/change/", room_form(lobby, topic="News"))

    lobby.refresh_from_db()
    assert (lobby.topic, lobby.head, lobby.last_seq) == ("News", 1, 1)
    assert post(alice, lobby).seq == 2


def test_an_account_is_made_with_a_colour(root):
    root.post(
        "/admin/chat/user/add/",
        {
            "username": "dora",
            "usable_password": "true",
            "password1": "a long pass phrase",
            "password2": "a long pass phrase",
        },
    )

    assert 0 <= User.objects.get(username="dora").colour < COLOURS
