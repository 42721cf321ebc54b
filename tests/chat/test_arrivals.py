"""What those who open a socket read: in few queries, together with others, and never less than there is."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db.backends.utils import CursorWrapper

from channels_core.db import database_sync_to_async
from chat import arrivals, gathering, services
from chat.arrivals import Arrival, Guest, Page, Pages, get_arrivals
from chat.models import Room, Session, User
from tests.chat.drafts import post, texts
from tests.people import fill, make_person, make_room

in_thread = database_sync_to_async
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def queries(monkeypatch) -> list[str]:
    """What the database is asked from now on, in all threads."""
    asked: list[str] = []
    execute = CursorWrapper.execute

    def listen(cursor, sql, params=None):
        asked.append(sql)
        return execute(cursor, sql, params)

    monkeypatch.setattr(CursorWrapper, "execute", listen)
    return asked


@pytest.fixture
def come(open_socket, queries):
    """The welcome of somebody who joins, and how many queries that took after those for the session and the user."""

    async def come(person, room, since: int | None = None) -> tuple[dict, int]:
        path = f"/ws/rooms/{room.slug}/" + ("" if since is None else f"?since={since}")
        async with open_socket(person, path) as tab:
            queries.clear()
            await tab.connect()
            welcome = await tab.receive_event("welcome")
            session, user, *others = queries
            assert (Session._meta.db_table in session, User._meta.db_table in user) == (True, True)
            return welcome, len(others)

    return come


async def test_a_join_takes_at_most_five_queries(come, lobby, alice, bob):
    """Two for the session and the user, three for the places, the messages and the people."""
    await in_thread(fill)(lobby, bob, [str(number) for number in range(1, 61)])
    await in_thread(post)(alice, lobby, "Newer")

    first, asked = await come(alice, lobby)
    assert asked == 3
    again, asked = await come(alice, lobby)  # the page is known, and the room's head is looked at
    assert asked == 3
    assert again["messages"] == first["messages"]

    await in_thread(post)(alice, lobby, "Newest")
    newer, asked = await come(bob, lobby)
    assert asked == 3
    assert texts(newer)[-2:] == ["Newer", "Newest"]


async def test_coming_back_takes_as_few(come, lobby, alice):
    await in_thread(fill)(lobby, alice, ["1", "2"])

    for since, missed in [(2, []), (1, ["2"])]:
        welcome, asked = await come(alice, lobby, since)
        assert (asked, texts(welcome), welcome["recovered"]) == (3, missed, True)


async def test_the_number_of_rooms_and_people_does_not_count(come, join, alice):
    people = [await in_thread(make_person)(f"person{number}") for number in range(3)]
    rooms = [await in_thread(make_room)(f"room{number}", [alice, *people]) for number in range(3)]

    async with join(people[0], rooms[0]), join(people[1], rooms[0]):
        welcome, asked = await come(alice, rooms[0])

    assert asked == 3
    assert len(welcome["present"]) == 3


def guest(person: User) -> Guest:
    """Somebody who comes from a browser with sessions of another kind."""
    return Guest(person.pk, None, person.password)


async def test_those_who_come_at_the_same_time_read_together(lobby, study, alice, bob, queries):
    for room in (lobby, study):
        await in_thread(fill)(room, alice, ["Hello"])
    places = {room: (await get_arrivals().places.ask(guest(alice)))[room.pk] for room in (lobby, study)}
    queries.clear()

    welcomes = await asyncio.gather(
        *(get_arrivals().welcomes.ask(Arrival(places[room], {who.pk}, None)) for room in places for who in (alice, bob))
    )

    assert len({welcome.messages for welcome in welcomes}) == 2
    assert [bob.name in welcome.present for welcome in welcomes] == [False, True, False, True]
    assert len(queries) <= 2 + 4  # the first visit is that of who came first, alone; two go side by side


async def test_tabs_of_a_person_that_come_at_the_same_time_have_places_of_their_own(lobby, alice, monkeypatch):
    """What is taken from one of them has to be taken from the others, too: the watch compares each by itself."""
    monkeypatch.setattr(gathering, "SIDE_BY_SIDE", 1)
    asked = get_arrivals().places.ask

    _, *together = await asyncio.gather(*(asked(guest(alice)) for _ in range(4)))

    assert together == [together[0]] * 3
    assert lobby.pk in together[0]
    assert len({id(places) for places in together}) == 3


async def test_who_comes_into_a_room_as_it_is_deleted_keeps_nobody_out_of_another(lobby, study, alice, monkeypatch):
    monkeypatch.setattr(gathering, "SIDE_BY_SIDE", 1)
    await in_thread(fill)(lobby, alice, ["Hello"])
    places = await get_arrivals().places.ask(guest(alice))
    await Room.objects.filter(pk=study.pk).adelete()
    came = [Arrival(places[room.pk], {alice.pk}, since) for room, since in [(lobby, 0), (study, 5), (lobby, None)]]

    _, gone, other = await asyncio.gather(*map(get_arrivals().welcomes.ask, came))

    assert (gone.head, gone.messages, gone.recovered) == (0, "[]", False)
    assert '"text":"Hello"' in other.messages


@pytest.mark.parametrize("change", ["said", "edited", "deleted", "renamed", "gone"])
async def test_a_page_that_is_kept_is_told_as_it_is_now(join, lobby, alice, bob, change):
    """Names are looked up each time: that somebody has another one is no change of a room."""
    message = await in_thread(post)(bob, lobby, "Before")
    async with join(alice, lobby) as tab:
        assert texts(tab.welcome) == ["Before"]

    def act():
        if change == "said":
            post(bob, lobby, "After")
        elif change == "edited":
            services.edit_message(actor=bob, room=lobby, message_id=message.pk, text="After")
        elif change == "deleted":
            services.delete_message(actor=bob, room=lobby, message_id=message.pk)
        elif change == "renamed":
            bob.display_name = "After"
            bob.save()
        else:
            bob.delete()

    await in_thread(act)()

    async with join(alice, lobby) as tab:
        [first, *more] = tab.welcome["messages"]
    assert [message["text"] for message in more] == (["After"] if change == "said" else [])
    assert first["text"] == {"edited": "After", "deleted": ""}.get(change, "Before")
    assert (first["author"] or {}).get("name") == {"renamed": "After", "gone": None}.get(change, "Bob")


def test_pages_are_kept_up_to_a_size(monkeypatch):
    monkeypatch.setattr(arrivals, "KEPT_BYTES", 100)
    pages = Pages()

    for room_id in (1, 2, 3):
        pages.keep(room_id, Page(7, False, [(None, "x" * 40)]))
    assert [bool(pages.get(room_id, 7)) for room_id in (1, 2, 3)] == [False, True, True]

    pages.keep(2, Page(8, False, [(None, "x" * 60)]))
    assert pages.get(2, 7) is None
    assert pages.get(2, 8)
    assert pages.get(3, 7)
    pages.keep(4, Page(9, False, [(None, "x" * 101)]))
    assert not any(pages.get(room_id, head) for room_id, head in [(2, 8), (3, 7), (4, 9)])


class Courteous(dict):
    """Lets other threads go first where it has taken something out."""

    def pop(self, *args):
        taken = super().pop(*args)
        time.sleep(0)
        return taken


def test_pages_may_be_kept_by_two_visits_at_once():
    """What they count together would drift apart from what there is, up to the point where nothing can be kept."""
    pages, page = Pages(), Page(7, False, [(None, "x" * 40)])
    pages._pages = Courteous()

    def keep(room_id: int) -> None:
        for _ in range(1000):
            pages.keep(room_id, page)

    with ThreadPoolExecutor(2) as visits:
        assert list(visits.map(keep, [7, 7])) == [None, None]

    assert pages._size == 40
