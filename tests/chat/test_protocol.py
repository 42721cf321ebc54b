"""The wire is the same in its three places: chat/events.py, static/js/chat/events.js and docs/protocol.md."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings

from chat import events, inbox
from chat.access import Facts, Place
from chat.models import Message, Room, User
from chat.validators import MAX_TEXT_LENGTH

ROOT = Path(settings.BASE_DIR)
ROOM, PERSON = Room(slug="lobby"), User(username="ada")
PLACE = Place(1, Facts("lobby", "Lobby", "", "public", False), 0, 0)
MESSAGE = Message(room=ROOM, author=PERSON, client_id=uuid4())

# One of each, as the code makes it; a person is described once.
SHAPES: dict[str, dict[str, Any]] = {
    "person": events.person(PERSON),
    "message": events.message(MESSAGE) | {"author": None},
    "room": events.room(PLACE),
    "welcome": events.welcome(PLACE, 0, False, [], reader=1, recovered=False, local=False) | {"room": None},
    "messages": events.messages(0, 0, []),
    "presence": events.presence([], [], 0),
    "typing": events.typing(PERSON) | {"person": None},
    "activity": events.activity("lobby", 1),
    "read": events.read("lobby", 1),
    "revoked": events.revoked("signed_out", "lobby"),
    "beat": events.beat(0),
}


@cache
def read(path: str) -> str:
    return (ROOT / path).read_text()


def in_page(heading: str) -> str:
    """One section of docs/protocol.md."""
    sections = dict(part.split("\n", 1) for part in re.split(r"^## ", read("docs/protocol.md"), flags=re.MULTILINE)[1:])
    return sections[heading]


def table(heading: str) -> dict[str, list[str]]:
    """The rows of a section's table, by what stands in their first column."""
    rows = [[cell.strip(" `") for cell in row.split("|")[1:-1]] for row in in_page(heading).splitlines() if "|" in row]
    return {first: others for first, *others in rows[2:]}


def in_script(name: str) -> dict[str, str]:
    """The entries of a frozen object in events.js."""
    [body] = re.findall(
        rf"export const {name} = Object\.freeze\(\{{(.*?)\}}\)", read("static/js/chat/events.js"), re.DOTALL
    )
    return dict(re.findall(r'(\w+): "?([\w.]+)"?', body))


def strings_in(path: str, wanted) -> set[str]:
    """The string constants of a Python file that ``wanted`` picks from its syntax tree."""
    nodes = [found for node in ast.walk(ast.parse(read(path))) for found in wanted(node)]
    return {node.value for node in nodes if isinstance(node, ast.Constant)}


def types_told() -> set[str]:
    """The ``type`` of every event that events.py builds."""

    def of_dict(node):
        if isinstance(node, ast.Dict):
            yield from (
                value for key, value in zip(node.keys, node.values, strict=True) if ast.unparse(key or node) == "'type'"
            )

    return strings_in("chat/events.py", of_dict)


def types_asked() -> set[str]:
    """The ``type`` of every frame that the consumers recognise."""

    def of_pattern(node):
        if isinstance(node, ast.MatchMapping):
            for key, pattern in zip(node.keys, node.patterns, strict=True):
                if ast.unparse(key) == "'type'" and isinstance(pattern, ast.MatchValue):
                    yield pattern.value

    return strings_in("chat/consumers.py", of_pattern) | strings_in("chat/inbox.py", of_pattern)


def error_codes() -> set[str]:
    """Every code with which a frame can be refused: where it is raised, and where it is answered."""

    def of_call(node):
        match node:
            case ast.Call(func=ast.Attribute(attr="refused"), args=[_, code, *_]):
                yield code
            case ast.Call(keywords=keywords):
                yield from (keyword.value for keyword in keywords if keyword.arg == "code")

    modules = ("consumers", "frames", "inbox", "journal", "limits", "services", "validators")
    return set().union(*(strings_in(f"chat/{name}.py", of_call) for name in modules))


def names_in(value: Any) -> set[str]:
    """The keys of an event, of what it holds, too."""
    if not isinstance(value, dict):
        return set()
    return set(value).union(*map(names_in, value.values()))


def test_every_type_that_is_told_is_in_the_script_and_on_the_page():
    of_inbox = {"typing", "activity", "read", "room", "revoked"}
    assert types_told() == {"welcome", "messages", "presence", "beat", "reply"} | of_inbox
    assert set(in_script("Told").values()) == types_told()
    assert set(re.findall(r'\{"type": "([\w.]+)"', in_page("Told"))) == types_told()


def test_every_type_that_is_asked_is_in_the_script_and_on_the_page():
    assert types_asked() == set(events.ASKED)
    assert set(re.findall(r'\btype: "([\w.]+)"', read("static/js/chat/events.js"))) == types_asked()
    assert set(re.findall(r'\{"type": "([\w.]+)"', in_page("Asked"))) == types_asked()


def test_every_close_code_is_in_the_script_and_on_the_page():
    """On the page with others, which are not the chat's, and after which a browser comes back."""
    codes = {code.name: str(code.value) for code in events.CloseCode}

    assert in_script("CloseCode") == codes
    assert {code for code, (_, browser) in table("Closed").items() if "says why" in browser} == set(codes.values())
    assert set(events.REASONS) == set(events.CloseCode)


def test_every_code_of_a_refusal_is_on_the_page():
    refusals = {"unknown_type", "invalid", "empty", "too_long", "archived", "not_a_member", "busy", "unavailable"}
    refusals |= {"no_such_message", "not_yours", "deleted", "too_fast"}
    assert error_codes() == refusals
    assert set(table("Refused")) == error_codes()


def test_the_script_knows_no_code_of_a_refusal_that_is_not_told():
    scripts = "".join(path.read_text() for path in sorted((ROOT / "static/js/chat").glob("*.js")))

    known = set(re.findall(r'error\.code === "(\w+)"', scripts))

    assert known
    assert known <= error_codes()


@pytest.mark.parametrize(
    ("limit", "heading", "sentence"),
    [
        (MAX_TEXT_LENGTH, "Asked", "at most {:,} characters (code points)"),
        (MAX_TEXT_LENGTH, "Refused", "more than {:,} characters"),
        (events.MAX_FRAME_BYTES, "Closed", "more than {:,} bytes"),
        (events.PAGE_SIZE, "Told", "newest {} messages"),
        (events.PAGE_SIZE, "Asked", "is {} unless given"),
        (events.MAX_PAGE_SIZE, "Asked", "{} at most"),
        (inbox.MAX_REF_LENGTH, "Asked", "at most {} characters or an integer"),
        (settings.CHAT_BEAT_INTERVAL, "Told", "({:g} by default)"),
    ],
)
def test_every_limit_is_on_the_page(limit, heading, sentence):
    assert sentence.format(limit) in " ".join(in_page(heading).split())


@pytest.mark.parametrize(("name", "limit"), [("MAX_TEXT_LENGTH", MAX_TEXT_LENGTH), ("PAGE_SIZE", events.PAGE_SIZE)])
def test_a_limit_in_the_script_is_the_servers(name, limit):
    [number] = re.findall(rf"export const {name} = ([\d_]+);", read("static/js/chat/events.js"))

    assert int(number) == limit


@pytest.mark.parametrize("shape", SHAPES)
def test_the_page_names_every_field_of_what_is_told(shape):
    # What is told has the name of a shape in one place: a room.
    described, *_ = re.findall(rf"^ {{4}}{shape} +(\{{.*?\}})$", read("docs/protocol.md"), re.MULTILINE | re.DOTALL)

    keys = re.sub(r'"type": "\w+"', '"type"', described)
    assert set(re.findall(r'"(\w+)"', keys)) == names_in(SHAPES[shape])


def test_the_page_names_every_field_of_a_reply():
    fields = names_in(events.refused(1, "invalid", "Expected …", field="before", retry_after=1.0))

    for name in fields:
        assert f'"{name}"' in in_page("Told"), name
