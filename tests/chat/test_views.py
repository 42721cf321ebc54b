"""Pages of rooms: who sees which, the list, and the forms that make, join, leave and let in."""

import pytest
from django.urls import reverse

from chat.models import Membership, Room
from tests.chat.drafts import post
from tests.people import make_room

ROOM_PAGES = ["/rooms/{slug}/", "/rooms/{slug}/settings/", "/rooms/{slug}/delete/"]
PAGES = ["/rooms/", "/rooms/new/", *ROOM_PAGES]
FORMS = ["/rooms/{slug}/join/", "/rooms/{slug}/leave/", "/rooms/{slug}/members/", "/rooms/{slug}/messages/"]
FORMS += ["/rooms/{slug}/read/"]
FORMS += [f"/rooms/{{slug}}/members/7/{change}/" for change in ("remove", "ban", "unban", "role")]


def templates(response) -> list[str]:
    return [template.name for template in response.templates]


def notices(response) -> list[str]:
    return [str(notice) for notice in response.context["messages"]]


def names(response) -> list[str]:
    return [room.name for room in response.context["rooms"]]


@pytest.mark.parametrize("path", PAGES + FORMS)
@pytest.mark.parametrize("slug", ["lobby", "study", "nowhere"])
def test_who_is_signed_out_is_led_to_the_log_in_and_back(client_of, lobby, study, path, slug):
    """Whether there is such a room, too."""
    path = path.format(slug=slug)

    for method in ("get", "post"):
        response = getattr(client_of(), method)(path)
        assert (response.status_code, response.url) == (302, f"/accounts/login/?next={path}")


def test_the_front_page_leads_to_the_rooms(client_of, alice):
    assert client_of(alice).get("/").url == "/rooms/"


@pytest.mark.parametrize("path", FORMS)
def test_what_changes_something_is_not_to_be_got(client_of, alice, lobby, path):
    assert client_of(alice).get(path.format(slug="lobby")).status_code == 405


@pytest.mark.parametrize("path", [*ROOM_PAGES, *FORMS])
def test_a_room_that_is_not_there_is_not_found(client_of, alice, path):
    """By name: the page says which."""
    method = "post" if path in FORMS else "get"

    response = getattr(client_of(alice), method)(path.format(slug="nowhere"))

    assert response.status_code == 404
    assert "<strong>nowhere</strong>" in response.content.decode()


@pytest.mark.parametrize("path", [*ROOM_PAGES, "/rooms/{slug}/join/", *FORMS[2:]])
def test_a_private_room_is_closed_to_others(client_of, carol, study, path):
    method = "post" if path in FORMS else "get"

    response = getattr(client_of(carol), method)(path.format(slug="study"), {"username": "carol", "text": "Hello"})

    assert response.status_code == 403
    assert "403.html" in templates(response)
    assert "<strong>study</strong>" in response.content.decode()
    assert not Membership.objects.filter(user=carol).exists()
    assert study.messages.count() == 0


def test_a_private_room_looks_the_same_whether_it_is_empty_or_full_of_talk(client_of, alice, carol, study):
    post(alice, study, "A secret")

    assert "A secret" not in client_of(carol).get("/rooms/study/").content.decode()


def test_a_public_room_shows_others_how_to_join_and_nothing_of_what_is_said(client_of, alice, carol, lobby):
    post(alice, lobby, "Among us")

    response = client_of(carol).get("/rooms/lobby/")

    assert response.status_code == 200
    assert "chat/room_join.html" in templates(response)
    assert response.context["member_count"] == 2
    assert 'action="/rooms/lobby/join/"' in response.content.decode()
    assert "Among us" not in response.content.decode()


@pytest.mark.parametrize("path", FORMS[2:])
def test_only_members_of_a_public_room_can_use_its_forms(client_of, carol, lobby, path):
    response = client_of(carol).post(path.format(slug="lobby"), {"username": "carol", "text": "Hello"})

    assert response.status_code == 403
    assert "chat/room_join.html" in templates(response)
    assert lobby.messages.count() == 0


def test_joining_leads_into_the_room(client_of, carol, lobby):
    client = client_of(carol)

    response = client.post("/rooms/lobby/join/", follow=True)

    assert response.redirect_chain == [("/rooms/lobby/", 302)]
    assert "chat/room.html" in templates(response)
    assert client.post("/rooms/lobby/join/").status_code == 302


def test_leaving_leads_to_the_rooms_and_says_so(client_of, bob, lobby):
    client = client_of(bob)

    response = client.post("/rooms/lobby/leave/", follow=True)

    assert response.redirect_chain == [("/rooms/", 302)]
    assert notices(response) == ["You left Lobby."]
    assert not lobby.memberships.filter(user=bob).exists()
    assert client.post("/rooms/lobby/leave/").status_code == 302


@pytest.mark.parametrize("kind", ["public", "private"])
def test_a_new_room_opens_with_its_owner_in_it(client_of, carol, kind):
    response = client_of(carol).post(
        "/rooms/new/", {"name": "Books & Tea", "topic": "Quiet", "kind": kind}, follow=True
    )

    assert response.redirect_chain == [("/rooms/books-tea/", 302)]
    assert response.context["membership"].role == Membership.Role.OWNER
    assert (response.context["room"].topic, response.context["room"].kind) == ("Quiet", kind)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [({"name": ""}, "name"), ({"name": "x" * 61}, "name"), ({"name": "a\nb"}, "name"), ({"topic": "x" * 201}, "topic")]
    + [({"kind": "direct"}, "kind"), ({"kind": ""}, "kind"), ({"name": "\u202eevil"}, "name")],
)
def test_a_room_that_cannot_be_is_explained_in_the_form(client_of, carol, fields, wrong):
    response = client_of(carol).post("/rooms/new/", {"name": "Books", "topic": "", "kind": "public"} | fields)

    assert response.status_code == 200
    assert list(response.context["form"].errors) == [wrong]
    assert not Room.objects.filter(memberships__user=carol).exists()


def test_a_room_may_be_called_as_the_form_that_makes_rooms(client_of, carol):
    response = client_of(carol).post("/rooms/new/", {"name": "New", "kind": "public"})

    assert response.url.startswith("/rooms/new-")
    assert client_of(carol).get(response.url).status_code == 200


def test_the_list_shows_public_rooms_and_the_sidebar_ones_own(client_of, alice, lobby, study):
    make_room("attic")

    response = client_of(alice).get("/rooms/")

    assert names(response) == ["Lobby", "Attic"] or names(response) == ["Attic", "Lobby"]
    assert [place.room.name for place in response.context["sidebar_rooms"]] == ["Lobby", "Study"]
    assert (response.context["next_page"], response.context["previous_page"]) == (None, None)


@pytest.mark.parametrize(
    ("query", "found"), [("att", ["Attic"]), (" ATTIC ", ["Attic"]), ("\0att", ["Attic"]), ("zz", [])]
)
def test_the_list_is_searched(client_of, alice, lobby, query, found):
    make_room("attic")

    response = client_of(alice).get("/rooms/", {"q": query})

    assert names(response) == found
    assert "No room matches" in response.content.decode() or found


def test_the_list_comes_in_pages_that_hold_every_room_once(client_of, alice, db):
    Room.objects.all().delete()
    for number in range(65):
        make_room(f"room-{number}", name="All of one name")
    client = client_of(alice)

    seen, page = [], 1
    while page:
        response = client.get("/rooms/", {"page": page})
        seen += [room.slug for room in response.context["rooms"]]
        assert response.context["previous_page"] == (page - 1 or None)
        page = response.context["next_page"]

    assert sorted(seen) == sorted(f"room-{number}" for number in range(65))


@pytest.mark.parametrize("page", ["0", "-1", "x", "999", ""])
def test_a_page_of_the_list_that_is_not_there_is_another_one(client_of, alice, lobby, page):
    assert client_of(alice).get("/rooms/", {"page": page}).status_code == 200


def test_the_pages_of_a_search_stay_in_it(client_of, alice, db):
    for number in range(31):
        make_room(f"room-{number}")

    html = client_of(alice).get("/rooms/", {"q": "room"}).content.decode()

    assert 'href="?q=room&amp;page=2"' in html


def test_whoever_runs_a_private_room_lets_others_in(client_of, alice, carol, study):
    response = client_of(alice).post("/rooms/study/members/", {"username": "Carol"}, follow=True)

    assert response.redirect_chain == [("/rooms/study/", 302)]
    assert notices(response) == ["Carol can come in now."]
    assert "chat/room.html" in templates(client_of(carol).get("/rooms/study/"))


@pytest.mark.parametrize("username", ["nobody", "", "x" * 151, "a\0b"])
def test_who_cannot_be_added_is_said_in_the_room(client_of, alice, study, username):
    response = client_of(alice).post("/rooms/study/members/", {"username": username})

    assert response.status_code == 422
    assert list(response.context["member_form"].errors) == ["username"]
    assert study.memberships.count() == 1


def test_a_plain_member_of_a_private_room_has_no_form_to_add_people_and_cannot_use_it(
    client_of, alice, bob, carol, study
):
    client_of(alice).post("/rooms/study/members/", {"username": "bob"})
    client = client_of(bob)

    assert 'action="/rooms/study/members/"' not in client.get("/rooms/study/").content.decode()
    assert client.post("/rooms/study/members/", {"username": "carol"}).status_code == 403
    assert not study.memberships.filter(user=carol).exists()


def test_every_page_of_the_chat_is_tried_here():
    """A page that is added to the addresses joins PAGES or FORMS, and with that the tests of who may see it."""
    from chat.urls import chat_patterns

    arguments = {"slug": "SLUG", "user_id": 7}
    paths = [
        reverse(f"chat:{pattern.name}", kwargs={key: arguments[key] for key in pattern.pattern.converters})
        for pattern in chat_patterns
    ]

    assert sorted(path.replace("SLUG", "{slug}") for path in paths) == sorted(PAGES + FORMS)


def test_the_address_that_browsers_ask_for_an_icon_leads_to_it(client):
    assert client.get("/favicon.ico").headers["Location"] == "/static/favicon.svg"
