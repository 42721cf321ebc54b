"""What pages and sockets read: pages of history, rooms to browse, places and people."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat import queries
from chat.models import Membership, Room
from tests.chat.drafts import post
from tests.people import fill, make_person, make_room


def said(page: queries.Page) -> list[str]:
    return [message.text for message in page.messages]


def numbered(first: int, last: int) -> list[str]:
    return [str(number) for number in range(first, last + 1)]


def names(rooms) -> list[str]:
    return [room.name for room in rooms]


@pytest.fixture
def quiet_rooms(db):
    """Two public rooms in which nothing has been said."""
    return [make_room("zebra"), make_room("apple")]


@pytest.mark.parametrize(("total", "size"), [(0, 50), (1, 50), (50, 50), (51, 50), (7, 2), (8, 2), (3, 1)])
def test_paging_back_shows_every_message_once_and_in_order(lobby, alice, total, size):
    fill(lobby, alice, numbered(1, total))

    pages = [queries.page_of(lobby, limit=size)]
    while pages[0].more:
        pages.insert(0, queries.page_of(lobby, before=pages[0].messages[0].seq, limit=size))

    assert [text for page in pages for text in said(page)] == numbered(1, total)
    assert all(len(page.messages) == size for page in pages[1:])


def test_what_is_posted_meanwhile_moves_no_page(lobby, alice):
    fill(lobby, alice, numbered(1, 6))
    newest = queries.page_of(lobby, limit=3)

    post(alice, lobby, "7")
    older = queries.page_of(lobby, before=newest.messages[0].seq, limit=3)

    assert (said(older), older.more) == (["1", "2", "3"], False)


def test_what_is_posted_while_nothing_new_is_read_is_not_taken_for_known(lobby, alice, monkeypatch):
    fill(lobby, alice, ["1"])
    ask = queries.heads

    def post_first(room_ids):
        post(alice, lobby, "2")
        return ask(room_ids)

    monkeypatch.setattr(queries, "heads", post_first)

    assert queries.changes_of(lobby.pk, 1).head == 1
    monkeypatch.undo()
    assert said(queries.changes_of(lobby.pk, 1)) == ["2"]


def test_a_page_has_50_messages_unless_asked_and_never_more_than_100(lobby, alice):
    fill(lobby, alice, numbered(1, 120))

    assert said(queries.page_of(lobby)) == numbered(71, 120)
    assert said(queries.page_of(lobby, limit=1_000)) == numbered(21, 120)


def test_before_the_first_message_there_is_nothing(lobby, alice):
    fill(lobby, alice, numbered(1, 3))

    page = queries.page_of(lobby, before=1)

    assert (said(page), page.more) == ([], False)


def test_a_page_is_of_one_room(lobby, study, alice):
    fill(lobby, alice, ["here"])
    fill(study, alice, ["there"])

    assert said(queries.page_of(lobby)) == ["here"]


def test_a_page_tells_the_head_that_fits_it(lobby, alice):
    """The head in the database, not that of the object: something may have been posted since."""
    for _ in range(2):
        post(alice, lobby)
    assert lobby.head == 0

    assert queries.page_of(lobby).head == 2


def test_a_page_is_one_query_with_its_authors_and_by_key(lobby, alice, bob):
    for author in (alice, bob):
        fill(lobby, author, numbered(1, 5))

    with CaptureQueriesContext(connection) as captured:
        page = queries.page_of(lobby, before=9, limit=4)
        assert {message.author.name for message in page.messages} == {"Alice", "Bob"}

    [query] = captured.captured_queries
    assert "OFFSET" not in query["sql"].upper()
    assert page.more


def test_public_rooms_come_by_activity_and_quiet_ones_by_name_after_them(lobby, alice, quiet_rooms):
    for name, minutes in [("old", 5), ("new", 1)]:
        make_room(name, last_posted=timezone.now() - timedelta(minutes=minutes))
    post(alice, lobby)

    assert names(queries.public_rooms(alice)) == ["Lobby", "New", "Old", "Apple", "Zebra"]


def test_rooms_that_are_not_public_are_not_listed_even_for_their_members(study, alice, lobby):
    make_room("talk", [alice], kind=Room.Kind.DIRECT)

    assert names(queries.public_rooms(alice)) == ["Lobby"]


def test_a_public_room_tells_how_many_are_in_it_and_whether_the_reader_is(lobby, alice, carol, quiet_rooms):
    def facts(reader):
        return {room.name: (room.member_count, room.is_member) for room in queries.public_rooms(reader)}

    assert facts(alice) == {"Lobby": (2, True), "Apple": (0, False), "Zebra": (0, False)}
    assert facts(carol) == {"Lobby": (2, False), "Apple": (0, False), "Zebra": (0, False)}


@pytest.mark.parametrize(
    ("search", "found"),
    [("app", ["Apple"]), ("APPLE", ["Apple"]), ("stripes", ["Zebra"]), ("e", ["Apple", "Zebra"]), ("%", []), ("_", [])],
)
def test_public_rooms_are_found_by_name_or_topic(lobby, alice, quiet_rooms, search, found):
    Room.objects.filter(slug="lobby").update(name="Hall", topic="")
    Room.objects.filter(slug="zebra").update(topic="Black and white stripes")

    assert names(queries.public_rooms(alice, search)) == found


def test_the_list_of_rooms_is_one_query(lobby, alice, quiet_rooms, django_assert_num_queries):
    with django_assert_num_queries(1):
        list(queries.public_rooms(alice, "e"))


def test_the_sidebar_has_every_room_of_the_person_by_name(lobby, study, alice, bob, django_assert_num_queries):
    make_room("attic", [bob])

    with django_assert_num_queries(1):
        assert [place.room.name for place in queries.rooms_of(alice)] == ["Lobby", "Study"]


def test_the_sidebar_sorts_names_whatever_their_case(alice):
    for name in ("apple", "Zebra", "Bear"):
        make_room(name.lower(), [alice], name=name)

    assert [place.room.name for place in queries.rooms_of(alice)] == ["apple", "Bear", "Zebra"]


def test_a_place_knows_how_much_is_unread(lobby, alice, bob):
    fill(lobby, bob, ["One", "Two", "Three"])
    Membership.objects.filter(user=alice).update(last_read=1)

    assert [place.unread for place in queries.rooms_of(alice)] == [2]
    # A database that was restored may be behind what people have read.
    Membership.objects.filter(user=alice).update(last_read=9)
    assert [place.unread for place in queries.rooms_of(alice)] == [0]


def test_people_of_a_room_come_by_role_and_then_by_name(lobby, carol, django_assert_num_queries):
    make_room("lobby", [make_person("zoe"), carol, make_person("dave")])
    Membership.objects.filter(user__username="dave").update(role=Membership.Role.MODERATOR)

    with django_assert_num_queries(1):
        people = [(place.user.username, place.role) for place in queries.members_of(lobby)]

    assert people == [
        ("alice", "owner"),
        ("zoe", "owner"),
        ("dave", "moderator"),
        ("bob", "member"),
        ("carol", "member"),
    ]
    assert len(queries.members_of(lobby, limit=2)) == 2


@pytest.mark.parametrize(
    ("who", "slug", "found", "is_member"),
    [("alice", "study", True, True), ("carol", "study", True, False), ("alice", "cellar", False, False)],
)
def test_a_place_is_looked_up_by_address(study, alice, carol, who, slug, found, is_member):
    room, place = queries.place_in({"alice": alice, "carol": carol}[who], slug)

    assert (room == study, place is not None) == (found, is_member)


def test_a_members_place_is_one_query(study, alice, django_assert_num_queries):
    """It is asked for on every page and every join."""
    with django_assert_num_queries(1):
        room, place = queries.place_in(alice, "study")
        assert place.room is room


def test_heads_of_many_rooms_are_one_query(lobby, study, alice, django_assert_num_queries):
    fill(lobby, alice, numbered(1, 3))

    with django_assert_num_queries(1):
        assert queries.heads([lobby.pk, study.pk, 0]) == {lobby.pk: 3, study.pk: 0}


def test_people_are_found_by_id_and_sorted_by_the_name_that_is_shown(alice, bob, carol):
    carol.display_name = "aaron"
    carol.save()

    found = queries.people([alice.pk, bob.pk, carol.pk, 0])
    assert found == [(person.pk, person.name, person.colour) for person in (carol, alice, bob)]


def test_a_page_before_the_first_message_tells_the_rooms_head(alice, lobby):
    fill(lobby, alice, ["1", "2", "3"])

    page = queries.page_of(lobby, before=1)

    assert (page.messages, page.more, page.head) == ([], False, 3)


def test_of_a_room_that_has_just_been_deleted_there_is_nothing_to_read(alice, lobby):
    """Whoever is still in it is about to be told; the next who reads with them is not to suffer for it."""
    fill(lobby, alice, ["1", "2", "3"])
    gone = Room(pk=lobby.pk)
    lobby.delete()

    for page in (queries.page_of(gone), queries.page_of(gone, before=3), queries.changes_of(gone.pk, 2)):
        assert (page.messages, page.more, page.head) == ([], False, 0)
    assert queries.resumed(gone, 2) is None
    assert queries.activity_of(gone.pk) == ("", 0)
