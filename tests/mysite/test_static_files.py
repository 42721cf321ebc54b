"""What production serves: files with hashed names, in which every name still leads somewhere, for browsers to keep."""

import gzip
import re
from pathlib import Path

import brotli
import pytest
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.asgi import get_asgi_application
from django.core.management import call_command
from django.test import override_settings

from channels_core.testing import HttpCommunicator

IMPORT = re.compile(r"""(?:^|\s)(?:import|from)\s*\(?["']([^"']+)["']""")
URL = re.compile(r"""(?:@import\s+|url\()["']([^"']+)""")
HASHED = re.compile(r"\.[0-9a-f]{12}\.\w+$")


@pytest.fixture(scope="module")
def collected(tmp_path_factory) -> Path:
    """The folder that collectstatic fills in production."""
    storages = {"staticfiles": {"BACKEND": "mysite.storage.HashedStaticFilesStorage"}}
    folder = tmp_path_factory.mktemp("static")
    with override_settings(STATIC_ROOT=str(folder), STORAGES=storages):
        call_command("collectstatic", verbosity=0)
        # Built from the settings inside, like the one of a production process.
        assert staticfiles_storage.url("js/chat/index.js") != "/static/js/chat/index.js"
        yield folder


@pytest.mark.parametrize(("pattern", "kind"), [(IMPORT, "js"), (URL, "css")], ids=["modules", "styles"])
def test_what_files_name_is_there_under_its_hashed_name(collected, pattern, kind):
    """A browser that keeps files for ever must never meet a name that stays when its content changes."""
    files = [path for path in (collected / kind).rglob(f"*.{kind}") if HASHED.search(path.name)]
    named = [
        (path, name)
        for path in files
        for name in pattern.findall(path.read_text())
        if not name.startswith(("data:", "#", "http"))
    ]

    assert named
    wrong = [
        f"{path.name}: {name}" for path, name in named if not HASHED.search(name) or not (path.parent / name).is_file()
    ]
    assert wrong == []


# --- How they are served, under ASGI -----------------------------------------------------------------
#
# Warnings are errors in these tests, so one of Django's about a stream that it has to read first would be seen.

MODULE = "js/core/socket.js"


class Answer:
    def __init__(self, response: dict) -> None:
        self.status = response["status"]
        self.body = response["body"]
        self.headers = {name.decode().lower(): value.decode() for name, value in response["headers"]}


@pytest.fixture
def ask(collected):
    """Ask the application for an address, with these headers."""
    application = get_asgi_application()

    async def ask(path: str, method: str = "GET", **headers: str) -> Answer:
        sent = {"host": "localhost", **headers}
        asking = HttpCommunicator(
            application, method, path, headers=[(name.replace("_", "-").encode(), sent[name].encode()) for name in sent]
        )
        answer = Answer(await asking.get_response(timeout=10))
        await asking.wait(10)
        return answer

    return ask


@pytest.fixture
def address(collected) -> str:
    """Where browsers find a module."""
    return staticfiles_storage.url(MODULE)


@pytest.fixture
def content(collected, address) -> bytes:
    """What is in it, as collected: with hashed names in its imports."""
    return (collected / address.removeprefix("/static/")).read_bytes()


async def test_a_file_with_a_hash_in_its_name_is_kept_for_ever(ask, address, content):
    answer = await ask(address)

    assert (answer.status, answer.body) == (200, content)
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cache-control"] == "max-age=315360000, public, immutable"
    assert int(answer.headers["content-length"]) == len(content)


async def test_a_file_without_is_asked_for_again_soon(ask):
    answer = await ask(f"/static/{MODULE}")

    assert answer.status == 200
    assert answer.headers["cache-control"] == "max-age=60, public"


@pytest.mark.parametrize(
    ("accepted", "encoding", "decode"),
    [
        ("br, gzip", "br", brotli.decompress),
        ("gzip, deflate, br, zstd", "br", brotli.decompress),
        ("gzip, deflate", "gzip", gzip.decompress),
        ("deflate", None, bytes),
        ("", None, bytes),
    ],
)
async def test_it_is_sent_in_the_best_encoding_that_the_browser_takes(
    ask, address, content, accepted, encoding, decode
):
    answer = await ask(address, accept_encoding=accepted)

    assert answer.status == 200
    assert answer.headers.get("content-encoding") == encoding
    assert decode(answer.body) == content
    assert answer.headers["vary"] == "Accept-Encoding"
    if encoding:
        assert len(answer.body) < len(content) / 2


async def test_who_has_it_already_is_told_so(ask, address):
    modified = (await ask(address)).headers["last-modified"]

    answer = await ask(address, if_modified_since=modified)

    assert (answer.status, answer.body) == (304, b"")
    assert "immutable" in answer.headers["cache-control"]


async def test_the_head_alone_says_how_long_the_rest_is(ask, address, content):
    answer = await ask(address, "HEAD")

    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) == len(content)


@pytest.mark.parametrize(
    ("range", "start", "end"), [("bytes=0-9", 0, 10), ("bytes=5-", 5, None), ("bytes=-7", -7, None)]
)
async def test_a_part_is_sent_to_who_asks_for_one(ask, address, content, range, start, end):
    answer = await ask(address, range=range)

    assert answer.status == 206
    assert answer.body == content[start:end]
    assert answer.headers["content-range"].endswith(f"/{len(content)}")
    assert int(answer.headers["content-length"]) == len(answer.body)


async def test_a_part_that_there_is_not_is_refused(ask, address, content):
    answer = await ask(address, range=f"bytes={len(content)}-")

    assert answer.status == 416
    assert answer.headers["content-range"] == f"bytes */{len(content)}"


async def test_files_are_for_reading(ask, address):
    assert (await ask(address, "POST")).status == 405


@pytest.mark.parametrize(
    "path", ["/static/js/core/nothing.js", "/static/js/", "/static/../mysite/settings.py", "/static/%2e%2e/manage.py"]
)
async def test_where_there_is_no_file_is_404(ask, path):
    assert (await ask(path)).status == 404
