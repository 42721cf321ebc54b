"""One installation: it starts, people talk, parts of it die, it grows, restarts, is saved and comes back."""

import json
import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.compose.clients import Client, talk_through
from tests.compose.people import Person
from tests.compose.stack import ROOT, Stack
from tests.servers import wait_until

SERVICES = {"proxy", "web", "redis", "postgres"}


def test_it_starts_by_one_command_and_everything_is_healthy(stack: Stack):
    states = {container["Service"]: container for container in stack.containers()}

    assert {name: states[name]["Health"] for name in SERVICES} == dict.fromkeys(SERVICES, "healthy")
    assert (states["migrate"]["State"], states["migrate"]["ExitCode"]) == ("exited", 0)
    assert Client(stack.url).get("/readyz").json() == {
        "status": "ready",
        "database": "up",
        "redis": "up",
        "draining": False,
        "reasons": [],
    }


def test_nothing_but_the_proxy_can_be_reached(stack: Stack):
    published = {container["Service"] for container in stack.containers() if "->" in container["Ports"]}

    assert published == {"proxy"}
    assert Client(stack.url).get("/metrics").status == 404


def test_the_containers_can_do_what_they_must_and_no_more(stack: Stack):
    assert stack.inside("web", "id", "-u").strip() != "0"
    assert "Read-only file system" in stack.inside("web", "sh", "-c", "touch /app/new 2>&1", check=False)
    for tool in ("gcc", "make", "git"):
        assert stack.inside("web", "sh", "-c", f"command -v {tool}", check=False) == ""


def test_static_files_are_compressed_and_kept_for_good(stack: Stack):
    page = Client(stack.url).get("/accounts/login/").text
    address = page.split('rel="stylesheet" href="')[1].split('"')[0]

    style = Client(stack.url).get(address, {"Accept-Encoding": "br"})

    assert style.status == 200
    assert style.headers["Content-Encoding"] == "br"
    assert "immutable" in style.headers["Cache-Control"]


def test_the_doctor_finds_it_well(stack: Stack):
    """Knocking at the proxy, as localhost is another machine in there."""
    said = stack.inside("web", "python", "manage.py", "doctor", "--strict", "--url", "http://proxy")

    assert "0 errors, 0 warnings" in said


def test_people_talk_across_replicas(stack: Stack, sign_up: Callable[[Stack], Person]):
    stack.up("--scale", "web=3")

    people = [sign_up(stack) for _ in range(6)]

    def are_told_and_spread() -> bool:
        on_each = [stack.metric("channels_connections", index) for index in (1, 2, 3)]
        return sum(on_each) == len(people) and min(on_each) > 0

    # Each process tells its numbers once a second.
    wait_until(are_told_and_spread, what="six sockets on three replicas, in their metrics", timeout_s=30)
    for person in people[:3]:
        person.says_and_all_see(*people)


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_a_part_that_dies_comes_back_and_so_do_the_browsers(
    stack: Stack, sign_up: Callable[[Stack], Person], service: str
):
    alice, bob = sign_up(stack), sign_up(stack)
    before = alice.says_and_all_see(bob)

    stack.compose("kill", "--signal", "KILL", service)
    stack.up("--scale", "web=3")

    for person in (alice, bob):
        person.window.is_now("online", timeout_s=45)
    after = alice.says_and_all_see(bob)
    bob.window.page.reload()
    bob.window.sees(before, after)


def test_without_redis_it_is_degraded_and_goes_on(stack: Stack):
    stack.compose("stop", "redis")
    try:
        ready = Client(stack.url).get("/readyz")
    finally:
        stack.up("--scale", "web=3")

    assert (ready.status, ready.json()["status"], ready.json()["redis"]) == (200, "degraded", "down")


def test_while_nobody_serves_a_page_says_so_and_tries_again(stack: Stack):
    stack.compose("stop", "web")
    try:
        page = Client(stack.url).get("/rooms/")
    finally:
        stack.up("--scale", "web=3")

    assert page.status in (502, 503)
    assert page.headers["Retry-After"] == "5"
    assert "tries again by itself" in page.text


@pytest.mark.parametrize("restart", ["recreate", "reload"])
def test_a_restart_under_load_closes_in_peace_and_keeps_what_it_acknowledged(stack: Stack, restart: str):
    """Every socket is told 1012, comes back within seconds, and what was acknowledged is there, once."""
    stack.up("--scale", "web=1")

    def act() -> None:
        if restart == "recreate":
            stack.up("--force-recreate", "--no-deps", "--scale", "web=1", "web")
        else:
            stack.compose("kill", "--signal", "HUP", "web")

    report = talk_through(stack.url, act, clients=20)

    assert set(report.close_codes) == {1012}
    assert len(report.close_codes) >= 20
    assert max(report.seconds_away) < 20
    assert len(report.acknowledged) > 100
    assert report.missing() == set()
    assert report.doubled() == set()


def test_browsers_come_through_a_restart(stack: Stack, sign_up: Callable[[Stack], Person]):
    alice, bob = sign_up(stack), sign_up(stack)

    stack.up("--force-recreate", "--no-deps", "--scale", "web=1", "web")

    for person in (alice, bob):
        person.window.is_now("online", timeout_s=30)
    bob.says_and_all_see(alice)


def test_what_is_saved_can_be_brought_back(stack: Stack, sign_up: Callable[[Stack], Person]):
    alice = sign_up(stack)
    text = alice.says_and_all_see()
    stack.inside("web", "sh", "-c", "mkdir -p var/media && echo picture > var/media/picture.txt")
    backup = ROOT / re.search(r"backups/\S+\.tar\.gz", stack.run("scripts/backup"))[0]
    lost = alice.says_and_all_see()

    try:
        stack.compose("down", "--volumes")
        stack.up()
        stack.run("scripts/restore", str(backup))
    finally:
        backup.unlink()

    alice.log_in()
    expect(alice.window.message(text)).to_have_count(1)
    expect(alice.window.message(lost)).to_have_count(0)
    assert stack.inside("web", "cat", "var/media/picture.txt") == "picture\n"
    alice.says_and_all_see()


def test_a_broken_backup_changes_nothing(stack: Stack, sign_up: Callable[[Stack], Person], tmp_path):
    alice = sign_up(stack)
    text = alice.says_and_all_see()
    file = tmp_path / "broken.tar.gz"
    file.write_bytes(b"no archive")

    with pytest.raises(AssertionError, match=r"broken\.tar\.gz"):
        stack.run("scripts/restore", str(file))

    alice.window.page.reload()
    expect(alice.window.message(text)).to_have_count(1)


def test_it_goes_down_within_seconds_and_loses_nothing(stack: Stack, sign_up: Callable[[Stack], Person]):
    alice = sign_up(stack)
    text = alice.says_and_all_see()
    began = time.monotonic()
    stack.compose("down")
    took_s = time.monotonic() - began

    stack.up()

    assert took_s < 20
    alice.window.is_now("online", timeout_s=45)
    expect(alice.window.message(text)).to_have_count(1)


def test_logs_go_to_the_standard_output_and_are_json_when_asked(stack: Stack):
    stack.environment["LOG_FORMAT"] = "json"
    try:
        stack.up("--no-deps", "web")
        [web] = stack.containers("web")
        lines = stack.run("sh", "-c", f"docker logs {web['Name']} 2>/dev/null").splitlines()
    finally:
        del stack.environment["LOG_FORMAT"]

    assert lines
    assert all({"time", "level", "logger", "message"} <= json.loads(line).keys() for line in lines)
