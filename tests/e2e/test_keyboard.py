"""A conversation without a mouse."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.people import PASSWORD


def look(control: Locator) -> list[str]:
    """How a control and what is around it are drawn, as far as a focus may change it."""
    return control.evaluate(
        """control => [control, control.parentElement, control.parentElement.parentElement].map((part) => {
            const { outline, boxShadow, backgroundColor, borderColor } = getComputedStyle(part);
            return [outline, boxShadow, backgroundColor, borderColor].join("; ");
        })"""
    )


def tab_to(page: Page, role: str, name: str) -> None:
    """Press Tab until that control has the focus, which must show."""
    wanted = page.get_by_role(role, name=name).first
    before = look(wanted)
    for _ in range(40):
        page.keyboard.press("Tab")
        if wanted.evaluate("control => control === document.activeElement"):
            assert look(wanted) != before, f"The {role} {name!r} has the focus, and it does not show."
            return
    raise AssertionError(f"Tab does not reach the {role} {name!r}.")


def test_from_the_log_in_to_a_message_that_is_sent(open_window, alice, bob, room):
    his = open_window(bob).enter(room)
    hers = open_window()
    page = hers.page
    page.goto("/")

    expect(page.get_by_label("Username")).to_be_focused()
    page.keyboard.type(alice.username)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    tab_to(page, "button", "Log in")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/rooms/$"))

    tab_to(page, "link", room.name)
    page.keyboard.press("Enter")
    hers.is_now("online")

    expect(hers.composer).to_be_focused()
    page.keyboard.type("First line")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("second line")
    expect(hers.composer).to_have_value("First line\nsecond line")
    page.keyboard.press("Enter")

    expect(hers.composer).to_have_value("")
    expect(hers.composer).to_be_focused()
    expect(his.messages).to_have_count(1)
    assert his.texts() == ["First line\nsecond line"]


def test_the_first_tab_leads_past_the_sidebar(open_window, alice, room):
    window = open_window(alice)
    window.page.goto("/rooms/")

    window.page.keyboard.press("Tab")
    expect(window.page.get_by_role("link", name="Skip to content")).to_be_focused()
    window.page.keyboard.press("Enter")

    expect(window.page.locator("#main")).to_be_focused()


def test_people_open_and_close_and_the_focus_returns(open_window, alice, room):
    window = open_window(alice).enter(room)
    button = window.page.locator(".room__count")

    button.focus()
    window.page.keyboard.press("Enter")
    expect(window.page.get_by_role("heading", name="People")).to_be_visible()
    window.page.keyboard.press("Escape")

    expect(window.page.get_by_role("heading", name="People")).to_be_hidden()
    expect(button).to_be_focused()
