"""Somebody in front of a browser, who knows of the site only what it shows."""

from itertools import count
from types import SimpleNamespace
from uuid import uuid4

from playwright.sync_api import BrowserContext, expect

from tests.e2e.window import Window

PASSWORD = "correct horse battery staple"
LOBBY = SimpleNamespace(slug="lobby")
serial = count(1)


class Person:
    """Has one window, in the lobby."""

    def __init__(self, context: BrowserContext) -> None:
        self.name = f"guest-{uuid4().hex[:8]}"
        self.window = Window(context.new_page())

    def sign_up(self) -> None:
        """Make an account, join the lobby and wait until it is live."""
        page = self.window.page
        page.goto("/accounts/signup/")
        page.locator("[name=username]").fill(self.name)
        page.locator("[name=password1]").fill(PASSWORD)
        page.locator("[name=password2]").fill(PASSWORD)
        page.locator("main form button").click()
        page.goto("/rooms/lobby/")
        join = page.get_by_role("button", name="Join")
        if join.count():
            join.first.click()
        self.window.is_now("online")

    def log_in(self) -> None:
        """Come back with the account from before."""
        page = self.window.page
        page.goto("/accounts/login/?next=/rooms/lobby/")
        page.locator("[name=username]").fill(self.name)
        page.locator("[name=password]").fill(PASSWORD)
        page.locator("main form button").click()
        self.window.is_now("online")

    def says_and_all_see(self, *others: "Person") -> str:
        """Say something new; it arrives once, at everybody."""
        text = f"Message {next(serial)} of {self.name}"
        self.window.say(text)
        for person in (self, *others):
            expect(person.window.message(text)).to_have_count(1)
            expect(person.window.page.locator(".message--pending")).to_have_count(0)
        return text
