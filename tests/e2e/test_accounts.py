"""Signing up, logging in and out, and passwords."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.people import PASSWORD

NEW_PASSWORD = "an even better horse"


@pytest.fixture
def page(open_window) -> Page:
    """A window of somebody who is not logged in."""
    return open_window().page


def log_in(page: Page, username: str, password: str) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def fill_new_password(page: Page, password: str) -> None:
    page.get_by_label(re.compile("^New password:?$")).fill(password)
    page.get_by_label(re.compile("^New password confirmation:?$")).fill(password)


def is_signed_in(page: Page) -> None:
    expect(page).to_have_url(re.compile("/rooms/$"))
    expect(page.get_by_role("navigation", name="Rooms")).to_be_visible()


def is_signed_out(page: Page) -> None:
    page.goto("/")
    expect(page).to_have_url(re.compile("/accounts/login/"))


def test_a_visitor_signs_up_and_is_signed_in(page, alice):
    page.goto("/")
    page.get_by_role("link", name="Make an account").click()
    page.get_by_label("Username").fill(f"new-{alice.pk}")
    page.get_by_label("Password", exact=True).fill(NEW_PASSWORD)
    page.get_by_label("Password confirmation").fill(NEW_PASSWORD)
    page.get_by_role("button", name="Sign up").click()

    is_signed_in(page)


def test_a_name_that_is_taken_cannot_be_signed_up_again(page, alice):
    """Nor one that differs in upper case only."""
    page.goto("/accounts/signup/")
    page.get_by_label("Username").fill(alice.username.upper())
    page.get_by_label("Password", exact=True).fill(NEW_PASSWORD)
    page.get_by_label("Password confirmation").fill(NEW_PASSWORD)
    page.get_by_role("button", name="Sign up").click()

    expect(page.get_by_text(re.compile("taken|already exists"))).to_be_visible()
    is_signed_out(page)


def test_logging_in_and_out(page, alice):
    log_in(page, alice.username, PASSWORD)
    is_signed_in(page)

    page.get_by_role("button", name=re.compile("^Account")).click()
    page.get_by_role("button", name="Log out").click()

    is_signed_out(page)


def test_logging_in_leads_to_the_room_that_was_asked_for(page, alice, room):
    page.goto(f"/rooms/{room.slug}/")
    page.get_by_label("Username").fill(alice.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()

    expect(page).to_have_url(re.compile(f"/rooms/{room.slug}/$"))


def test_a_wrong_password_is_refused(page, alice):
    log_in(page, alice.username, "wrong")

    expect(page.get_by_role("alert")).to_contain_text("correct username and password")
    is_signed_out(page)


def test_a_changed_password_is_the_one_that_counts(open_window, page, alice):
    hers = open_window(alice).page
    hers.goto("/rooms/")
    hers.get_by_role("button", name=re.compile("^Account")).click()
    hers.get_by_role("link", name="Change password").click()
    hers.get_by_label("Old password").fill(PASSWORD)
    fill_new_password(hers, NEW_PASSWORD)
    hers.get_by_role("main").get_by_role("button").click()
    expect(hers).to_have_url(re.compile("/accounts/password_change/done/$"))

    log_in(page, alice.username, PASSWORD)
    expect(page.get_by_role("alert")).to_be_visible()
    log_in(page, alice.username, NEW_PASSWORD)
    is_signed_in(page)


def test_a_forgotten_password_is_reset_by_mail(page, server, alice):
    page.goto("/accounts/login/")
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_label("Email").fill(alice.email)
    page.get_by_role("main").get_by_role("button").click()
    expect(page).to_have_url(re.compile("/accounts/password_reset/done/$"))

    [mail] = [path.read_text() for path in server.mail.iterdir() if alice.email in path.read_text()]
    page.goto(re.search(r"http://\S+/accounts/reset/\S+", mail)[0])
    fill_new_password(page, NEW_PASSWORD)
    page.get_by_role("main").get_by_role("button").click()
    expect(page).to_have_url(re.compile("/accounts/reset/done/$"))

    log_in(page, alice.username, NEW_PASSWORD)
    is_signed_in(page)


def test_a_reset_link_that_does_not_work_says_so(page):
    page.goto("/accounts/reset/MQ/no-such-token/")

    expect(page.get_by_role("heading", level=1)).to_have_text("This link no longer works")
    expect(page.get_by_role("main").get_by_role("link").first).to_be_visible()


def test_a_chosen_name_is_what_others_read(open_window, alice, bob, room):
    hers, his = open_window(alice), open_window(bob).enter(room)
    hers.page.goto("/accounts/profile/")
    hers.page.get_by_label(re.compile("^Name")).fill("Alice Ōe 🦉")
    hers.page.get_by_role("main").get_by_role("button").click()
    expect(hers.page.get_by_text("Saved.")).to_be_visible()

    hers.enter(room).say("Hi")

    expect(his.message("Hi").locator(".message__author")).to_have_text("Alice Ōe 🦉")
