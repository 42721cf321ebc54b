"""The page of a room without script: history by links, and writing by a plain form."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from chat.models import Message, Room
from tests.chat.drafts import post
from tests.people import fill, make_person, make_room

PATH = "/rooms/lobby/"


def texts(response) -> list[str]:
    return [message.text for message in response.context["timeline"]]


def numbered(first: int, last: int) -> list[str]:
    return [str(number) for number in range(first, last + 1)]


def send(client, text: str, **fields):
    return client.post(f"{PATH}messages/", {"client_id": str(uuid4()), "text": text} | fields)


def test_a_member_finds_the_newest_messages_and_where_to_listen(client_of, alice, lobby):
    fill(lobby, alice, numbered(1, 60))

    response = client_of(alice).get(PATH)

    assert texts(response) == numbered(11, 60)
    assert response.context["socket_path"] == "/ws/rooms/lobby/"
    assert response.context["is_page"] is False
    assert 'data-socket-path="/ws/rooms/lobby/"' in response.content.decode()


def test_links_lead_back_through_all_of_history_and_to_the_newest(client_of, alice, lobby):
    fill(lobby, alice, numbered(1, 120))
    client = client_of(alice)

    pages, path = [], PATH
    while path:
        response = client.get(path)
        pages.insert(0, texts(response))
        assert response.context["has_older"] == bool(response.context["older_url"])
        assert response.context["newest_url"] == PATH
        path = response.context["older_url"]
        assert not path or f'href="{path}"' in response.content.decode()

    assert [len(page) for page in pages] == [20, 50, 50]
    assert [text for page in pages for text in page] == numbered(1, 120)
    assert response.context["is_page"] is True


@pytest.mark.parametrize("before", ["", "x", "-1", "²", "1e3", "9" * 30, "1; DROP TABLE", "\0"])
def test_a_page_before_no_number_is_the_newest(client_of, alice, lobby, before):
    fill(lobby, alice, ["One"])

    assert texts(client_of(alice).get(PATH, {"before": before})) == ["One"]


def test_messages_are_grouped_by_day_and_by_author_within_five_minutes(client_of, alice, bob, lobby):
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    said = [
        (alice, timedelta()),
        (alice, timedelta(minutes=4)),
        (bob, timedelta(minutes=5)),
        (bob, timedelta(minutes=10)),
        (bob, timedelta(hours=12)),
        (bob, timedelta(hours=12, minutes=1)),
    ]
    for author, after in said:
        [message] = fill(lobby, author, ["x"])
        Message.objects.filter(pk=message.pk).update(created=noon + after)

    timeline = client_of(alice).get(PATH).context["timeline"]

    assert [message.continues for message in timeline] == [False, True, False, False, False, True]
    assert [message.starts_day for message in timeline] == [True, False, False, False, True, False]


def test_times_and_days_are_those_of_the_readers_time_zone(client_of, lobby):
    reader = make_person("dora", time_zone="Asia/Kathmandu")
    make_room("lobby", [reader])
    for minute in (14, 16):
        [message] = fill(lobby, reader, ["x"])
        Message.objects.filter(pk=message.pk).update(created=datetime(2026, 3, 1, 18, minute, tzinfo=UTC))

    response = client_of(reader).get(PATH)

    # 5:45 ahead of UTC: between the two messages it is midnight.
    assert [message.starts_day for message in response.context["timeline"]] == [True, True]
    assert re.findall(r'class="message__time"[^>]*>([^<]+)<', response.content.decode())[:2] == ["23:59", "00:01"]


def test_what_people_wrote_is_shown_rendered_and_harmless(client_of, alice, lobby):
    post(alice, lobby, "<script>alert(1)</script> **bold**")

    html = client_of(alice).get(PATH).content.decode()

    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; <strong>bold</strong>" in html


def test_a_name_with_markup_is_shown_as_it_is(client_of, lobby):
    villain = make_person("eve", display_name="<img src=x>")
    make_room("lobby", [villain], name="<b>Hall</b>", topic='"><script>')
    post(villain, lobby)

    html = client_of(villain).get(PATH).content.decode()

    assert "<img src=x>" not in html
    assert "<b>Hall" not in html
    assert '"><script>' not in html
    assert "&lt;img src=x&gt;" in html


def test_a_deleted_message_and_a_deleted_account_leave_their_place(client_of, alice, bob, lobby):
    gone, farewell = fill(lobby, bob, ["Gone", "Farewell"])
    Message.objects.filter(pk=gone.pk).update(deleted=timezone.now(), text="", html="")
    bob.delete()

    html = client_of(alice).get(PATH).content.decode()

    assert "This message was deleted." in html
    assert f'id="message-{farewell.pk}"' in html
    assert "Deleted account" in html


def test_the_page_costs_as_many_queries_however_much_was_said_by_however_many(
    client_of, alice, lobby, django_assert_max_num_queries
):
    client = client_of(alice)
    for number in range(20):
        person = make_person(f"person-{number}")
        make_room("lobby", [person])
        fill(lobby, person, ["x"])

    # Session, user, place, page, members, their number, and the sidebar.
    with django_assert_max_num_queries(7):
        client.get(PATH)


def test_a_message_is_sent_without_script(client_of, alice, lobby):
    client = client_of(alice)
    client_id = client.get(PATH).context["post_form"]["client_id"].value()

    response = send(client, "Hello **world**", client_id=client_id)

    message = lobby.messages.get()
    assert (response.status_code, response.url) == (302, f"{PATH}#message-{message.pk}")
    assert (message.author, message.text, message.client_id) == (alice, "Hello **world**", UUID(str(client_id)))
    assert f'id="message-{message.pk}"' in client.get(PATH).content.decode()


def test_a_form_that_is_sent_twice_is_one_message(client_of, alice, lobby):
    client, client_id = client_of(alice), str(uuid4())

    first, second = (send(client, "Hello", client_id=client_id) for _ in range(2))

    assert first.url == second.url
    assert lobby.messages.count() == 1


def test_every_page_has_an_id_of_its_own_for_the_next_message(client_of, alice, lobby):
    client = client_of(alice)

    ids = {re.search(r'name="client_id" value="([^"]+)"', client.get(PATH).content.decode())[1] for _ in range(2)}

    assert len(ids) == 2


def test_lines_of_a_form_end_as_everywhere(client_of, alice, lobby):
    """Browsers send a line break of a form as two characters."""
    send(client_of(alice), "one\r\ntwo")

    assert lobby.messages.get().text == "one\ntwo"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "Write something first: this message is empty."),
        (" \n", "Write something first: this message is empty."),
        ("x" * 4_001, "A message has at most 4,000 characters; this one has 4,001."),
        ("a\0b", "Null characters are not allowed."),
    ],
    ids=["empty", "blank", "too long", "NUL"],
)
def test_a_message_that_is_refused_stays_in_the_form_with_the_reason(client_of, alice, lobby, text, complaint):
    response = send(client_of(alice), text)

    assert response.status_code == 422
    assert list(response.context["post_form"].errors) == ["text"]
    assert complaint in response.content.decode()
    assert response.context["post_form"]["text"].value() == text
    assert text in response.content.decode()
    assert lobby.messages.count() == 0


@pytest.mark.parametrize("client_id", ["", "no-uuid", None])
def test_a_damaged_form_keeps_the_text_under_an_id_that_works(client_of, alice, lobby, client_id):
    client = client_of(alice)
    fields = {} if client_id is None else {"client_id": client_id}

    response = client.post(f"{PATH}messages/", {"text": "Hello"} | fields)

    assert response.status_code == 422
    assert "Send it again" in response.content.decode()
    assert response.context["post_form"]["text"].value() == "Hello"
    again = {"text": "Hello", "client_id": str(response.context["post_form"]["client_id"].value())}
    assert client.post(f"{PATH}messages/", again).status_code == 302
    assert Message.objects.count() == 1


def test_a_text_that_is_kept_in_the_form_is_no_markup_there(client_of, alice, lobby):
    html = send(client_of(alice), "</textarea><script>" + "x" * 4_000).content.decode()

    assert "</textarea><script>" not in html
    assert "&lt;/textarea&gt;&lt;script&gt;" in html


def test_an_archived_room_can_be_read_and_has_no_form(client_of, alice, lobby):
    post(alice, lobby, "From before")
    Room.objects.filter(pk=lobby.pk).update(archived=True)
    client = client_of(alice)

    html = client.get(PATH).content.decode()
    response = send(client, "Hello")

    assert "From before" in html
    assert f'action="{PATH}messages/"' not in html
    assert response.status_code == 422
    assert lobby.messages.count() == 1
