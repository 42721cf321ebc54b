"""What a person does in a browser window, and what they see there."""

import re

from playwright.sync_api import Locator, Page, expect

from chat.models import Room, User


class Window:
    """A browser window of ``person``: pages are opened by their address, rooms by their name."""

    def __init__(self, page: Page, person: User | None = None) -> None:
        self.page = page
        self.person = person

    # --- Going somewhere ---

    def new_tab(self) -> "Window":
        """Another tab of the same browser, so of the same person."""
        return Window(self.page.context.new_page(), self.person)

    def enter(self, room: Room) -> "Window":
        """Open a room and wait until it is live."""
        self.page.goto(f"/rooms/{room.slug}/")
        self.is_now("online")
        return self

    def press(self, button: str) -> None:
        """Press the button with that label."""
        self.page.get_by_role("button", name=button, exact=True).click()

    def log_out(self) -> None:
        self.page.get_by_role("button", name=re.compile("^Account")).click()
        self.press("Log out")

    def open_people(self) -> None:
        """Show the people of the room, and what a member can do there."""
        self.page.locator(".room__count").click()

    # --- Talking ---

    @property
    def composer(self) -> Locator:
        return self.page.get_by_label("Message", exact=True)

    def say(self, text: str) -> None:
        """Write a message and send it with Enter."""
        self.composer.fill(text)
        self.composer.press("Enter")

    # --- Seeing ---

    @property
    def messages(self) -> Locator:
        return self.page.locator("message-list .message")

    def message(self, text: str) -> Locator:
        """The messages that say exactly this."""
        exactly = re.compile(f"^{re.escape(text)}$")
        return self.messages.filter(has=self.page.locator(".message__text", has_text=exactly))

    def sees(self, *texts: str) -> None:
        """Each of these messages is there exactly once, settled, in this order."""
        for text in texts:
            expect(self.message(text)).to_have_count(1)
        expect(self.page.locator(".message--pending")).to_have_count(0)
        shown = [text for text in self.texts() if text in texts]
        assert shown == list(texts)

    def texts(self) -> list[str]:
        """The texts of all messages that are there, in order."""
        return [text.strip() for text in self.page.locator("message-list .message .message__text").all_inner_texts()]

    def is_now(self, state: str, timeout_s: float = 10) -> None:
        """The state of the connection becomes one of ``state``, alternatives separated by ``|``."""
        expect(self.page.locator("chat-room")).to_have_attribute(
            "data-state", re.compile(f"^({state})$"), timeout=timeout_s * 1000
        )

    def present(self) -> Locator:
        """Who is in the room right now."""
        return self.page.locator("presence-list li[data-user-id]")

    def does_not_scroll_sideways(self) -> None:
        width, needed = self.page.evaluate("[innerWidth, document.scrollingElement.scrollWidth]")
        assert needed <= width

    def messages_fit(self) -> None:
        """No part of a message is cut off at the side, other than by an ellipsis or where one can scroll."""
        cut_off = self.page.locator("message-list").evaluate(
            """list => {
                const right = list.getBoundingClientRect().right;
                const overflows = (part) => part.scrollWidth > part.clientWidth + 1 && part.clientWidth > 0;
                const isMeant = (part) => {
                    const { overflowX, textOverflow } = getComputedStyle(part);
                    return ["auto", "scroll"].includes(overflowX) || textOverflow === "ellipsis";
                };
                const isInScroller = (part) => part !== list && (isMeant(part) || isInScroller(part.parentElement));
                return [...list.querySelectorAll(".message, .message *")]
                    .filter((part) => part.getBoundingClientRect().right > right + 1 || overflows(part))
                    .filter((part) => !isInScroller(part))
                    .map((part) => part.outerHTML.slice(0, 200));
            }"""
        )
        assert cut_off == []
