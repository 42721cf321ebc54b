"""The project under another name, from signing up to a message (its files: tests/test_rename.py)."""

import re
import subprocess
import sys

import pytest
from playwright.sync_api import expect

from tests import renaming
from tests.e2e.site import Site

NAME, TITLE = renaming.NEW


class RenamedSite(Site):
    """A copy of this project with its new names and a database of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.project = renaming.copy_project(self.directory / "project")
        renaming.rename_project(self.project, renaming.NEW)

    def manage(self, *arguments: str) -> list[str]:
        return [sys.executable, str(self.project / "manage.py"), *arguments]

    def command(self) -> list[str]:
        return self.manage("runserver", "--noreload", f"127.0.0.1:{self.port}")

    def environment(self) -> dict[str, str]:
        database = {"DATABASE_URL": f"sqlite:///{self.directory}/db.sqlite3"}
        return {key: value for key, value in super().environment().items() if key in renaming.environment()} | database

    def start(self) -> None:
        subprocess.run(self.manage("migrate", "--verbosity=0"), env=self.environment(), check=True)
        super().start()


@pytest.fixture
def renamed(sites: list[Site]) -> RenamedSite:
    """Served until the tests are through, with its log watched like that of the others."""
    site = RenamedSite()
    site.start()
    sites.append(site)
    return site


def test_a_renamed_project_is_signed_up_to_and_talked_in(open_window, renamed):
    window = open_window(at=renamed)
    page = window.page

    page.goto("/accounts/signup/")
    expect(page).to_have_title(re.compile(f" · {TITLE}$"))
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password", exact=True).fill("an even better horse")
    page.get_by_label("Password confirmation").fill("an even better horse")
    page.get_by_role("button", name="Sign up").click()
    page.goto("/rooms/new/")
    page.get_by_label("Name").fill("Gardening")
    window.press("Create room")
    window.is_now("online")
    window.say("What grows in the shade?")

    window.sees("What grows in the shade?")
    expect(page).to_have_title(re.compile(f"Gardening.* · {TITLE}$"))
    expect(page.get_by_role("link", name=TITLE).first).to_be_visible()
    assert {cookie["name"] for cookie in page.context.cookies()} >= {f"{NAME}_sessionid", f"{NAME}_csrftoken"}
