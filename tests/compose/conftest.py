"""
The system in containers, and browsers in front of it: `make test-compose`.

These tests go through the life of one installation, so they run in the order in which they stand, and what one
leaves is what the next one finds.
"""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import launch_args
from tests.compose.people import Person
from tests.compose.stack import Stack

expect.set_options(timeout=30_000)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict) -> dict:
    return launch_args() | browser_type_launch_args


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The installation, as somebody without a .env starts it."""
    stack = Stack()
    try:
        stack.up("--build")
        yield stack
    finally:
        stack.remove()


@pytest.fixture
def sign_up(browser: Browser) -> Iterator[Callable[..., Person]]:
    """Have somebody new open the site, sign up and enter the lobby."""
    people: list[Person] = []

    def sign_up(stack: Stack) -> Person:
        people.append(Person(browser.new_context(base_url=stack.url, ignore_https_errors=True)))
        people[-1].sign_up()
        return people[-1]

    yield sign_up
    for person in people:
        person.window.page.context.close()
