"""``manage.py seed_demo``: something to look at, however often it runs."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from chat.demo import PASSWORD, PEOPLE, ROOMS
from chat.models import Membership, Message, Room, User
from tests.chat.drafts import post
from tests.people import make_person


def seed() -> str:
    """Run the command and return what it prints."""
    call_command("seed_demo", stdout=(printed := StringIO()), no_color=True)
    return printed.getvalue()


def everything() -> list[list[dict]]:
    return [list(model.objects.order_by("pk").values()) for model in (User, Room, Membership, Message)]


@pytest.fixture
def seeded(db) -> str:
    return seed()


def test_it_prints_the_log_in_of_everybody(seeded):
    assert PASSWORD in seeded
    for username, name in PEOPLE.items():
        assert f"  {username:<8} {name}" in seeded.splitlines()


@pytest.mark.parametrize("username", PEOPLE)
def test_everybody_can_log_in_and_sees_their_rooms(seeded, username):
    client = Client()

    response = client.post("/accounts/login/", {"username": username, "password": PASSWORD}, follow=True)

    assert response.status_code == 200
    mine = {name for name, _, _, members in ROOMS.values() if username in members}
    assert {place.room.name for place in response.context["sidebar_rooms"]} == mine
    for place in response.context["sidebar_rooms"]:
        assert client.get(place.room.get_absolute_url()).status_code == 200


def test_running_it_again_changes_nothing(seeded):
    before = everything()

    assert seed() == seeded
    assert everything() == before


def test_rooms_are_as_the_demo_says(seeded):
    for slug, (name, topic, kind, members) in ROOMS.items():
        room = Room.objects.get(slug=slug)
        owner, *others = members
        assert (room.name, room.topic, room.kind) == (name, topic, kind)
        assert dict(room.memberships.values_list("user__username", "role")) == {owner: "owner"} | dict.fromkeys(
            others, "member"
        )


def test_conversations_have_numbers_without_gaps_and_lie_in_the_past_in_their_order(seeded):
    for room in Room.objects.all():
        said = list(room.messages.order_by("seq"))
        assert [message.seq for message in said] == list(range(1, room.last_seq + 1))
        assert room.head == room.last_seq
        assert [message.created for message in said] == sorted(message.created for message in said)
        assert said[-1].created <= timezone.now()
        assert room.last_posted == said[-1].created


def test_there_is_a_room_with_more_than_a_page_of_history(seeded):
    assert max(Room.objects.values_list("last_seq", flat=True)) > 100


def test_what_people_have_changed_since_stays(seeded):
    ada = User.objects.get(username="ada")
    ada.display_name = "Countess"
    ada.set_password("my own")
    ada.save()
    lobby = Room.objects.get(slug="lobby")
    lobby.topic = "Ours"
    lobby.save()
    message = post(ada, lobby, "New")

    seed()

    ada.refresh_from_db()
    lobby.refresh_from_db()
    assert (ada.name, ada.check_password("my own"), lobby.topic) == ("Countess", True, "Ours")
    assert (lobby.last_seq, lobby.last_posted) == (message.seq, message.created)


def test_a_site_in_use_gets_the_demo_beside_what_it_has(db):
    visitor = make_person("visitor")
    lobby, _ = Room.objects.get_or_create(slug="lobby", defaults={"name": "Lobby"})
    lobby.memberships.create(user=visitor)
    message = post(visitor, lobby, "First!")

    seed()

    lobby.refresh_from_db()
    message.refresh_from_db()
    assert (message.seq, message.text) == (1, "First!")
    assert lobby.memberships.get(user=visitor).last_read == 0
    assert {place.unread for place in lobby.memberships.exclude(user=visitor)} == {2}
    assert lobby.last_posted == max(lobby.messages.values_list("created", flat=True))
