"""How pages look: on a phone, in the dark, with texts that strain a layout, and to assistive technology."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.people import fill, make_room

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
DESKTOP = {"viewport": {"width": 1280, "height": 800}}
STRAINING = {
    "as long as may be": "Lorem ipsum dolor sit amet. " * 142,
    "one long word": "x" * 4000,
    "address": "https://example.org/" + "path/" * 200,
    "right to left": "مرحبا بالعالم! " * 20 + "abc",
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈" * 300,
    "code": "```\n" + "for (const each of everything) { doSomethingVeryLong(each); } " * 10 + "\n```",
    "inline code": "`" + "y" * 500 + "`",
    "lines": "line\n" * 200,
    "quotes": "> " * 40 + "deep",
    "lists": "".join(f"{' ' * 2 * depth}- item\n" for depth in range(30)),
    "not markup": "<script>alert(1)</script><b>bold?</b>",
    "stacked accents": "Z̷̧̢̛̫̘̱͙" * 200,
}
ROOM_PAGES = ["/rooms/{slug}/", "/rooms/{slug}/?before=30"]
SIGNED_IN_PAGES = [
    "/rooms/",
    "/rooms/?q=nothing-like-it",
    "/rooms/new/",
    "/accounts/profile/",
    "/accounts/password_change/",
    "/accounts/password_change/done/",
    "/rooms/{slug}/settings/",
    "/rooms/{slug}/delete/",
    *ROOM_PAGES,
]
SIGNED_OUT_PAGES = [
    "/accounts/login/",
    "/accounts/signup/",
    "/accounts/password_reset/",
    "/accounts/password_reset/done/",
    "/accounts/reset/done/",
    "/accounts/reset/MQ/no-such-token/",
]


@pytest.fixture
def straining(alice, bob):
    """A room in which everything is as long as it may be."""
    alice.display_name, bob.display_name = "W" * 60, "A very long name indeed, " * 2
    for person in (alice, bob):
        person.save()
    room = make_room(f"straining-{alice.pk}", [alice, bob], name="M" * 60, topic="topic" * 40)
    fill(room, bob, STRAINING.values())
    return room


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("screen", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_texts_that_strain_a_layout_do_not_break_it(open_window, straining, alice, screen, theme):
    window = open_window(alice, color_scheme=theme, **screen)
    window.page.goto("/rooms/")
    window.does_not_scroll_sideways()

    window.enter(straining)

    window.does_not_scroll_sideways()
    expect(window.messages).to_have_count(len(STRAINING))
    window.messages_fit()
    expect(window.composer).to_be_in_viewport()


def test_texts_that_strain_a_layout_arrive_live_as_they_were_written(open_window, alice, bob, room):
    hers, his = open_window(alice, **PHONE).enter(room), open_window(bob, **PHONE).enter(room)

    for number, text in enumerate(STRAINING.values(), start=1):
        hers.say(text[:4000])
        expect(his.messages).to_have_count(number)
        expect(hers.page.locator(".message--pending")).to_have_count(0)

    for window in (hers, his):
        window.does_not_scroll_sideways()
        window.messages_fit()
    assert hers.texts() == his.texts()
    rows = "rows => rows.map(row => row.querySelector('.message__text').innerHTML)"
    live = his.messages.evaluate_all(rows)
    assert his.enter(room).messages.evaluate_all(rows) == live


def test_on_a_phone_one_talks_and_changes_rooms(open_window, alice, bob, room):
    window = open_window(alice, **PHONE)
    window.page.goto("/rooms/")
    window.page.get_by_role("link", name=room.name).first.tap()
    window.is_now("online")

    window.say("From the bus")
    window.sees("From the bus")
    window.does_not_scroll_sideways()
    for control in (window.composer, window.page.get_by_role("button", name="Send")):
        box = control.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
        assert box["height"] >= 24  # WCAG 2.2, target size

    window.page.get_by_role("link", name="All rooms").tap()
    expect(window.page.get_by_role("navigation", name="Rooms")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_follows_the_system_until_it_is_switched_and_then_stays(open_window, alice, scheme):
    window = open_window(alice, color_scheme=scheme)

    def is_dark() -> bool:
        """Whether the page is painted darker than its text."""
        return window.page.evaluate(
            """() => {
                const lightness = (colour) => {
                    const canvas = document.createElement("canvas").getContext("2d");
                    canvas.fillStyle = colour;
                    canvas.fillRect(0, 0, 1, 1);
                    return canvas.getImageData(0, 0, 1, 1).data.slice(0, 3).reduce((sum, each) => sum + each);
                };
                const style = getComputedStyle(document.body);
                const root = getComputedStyle(document.documentElement);
                const painted = [style, root].find((each) => !each.backgroundColor.endsWith("0)")) ?? root;
                return lightness(painted.backgroundColor) < lightness(style.color);
            }"""
        )

    window.page.goto("/rooms/")
    assert is_dark() == (scheme == "dark")

    other = "light" if scheme == "dark" else "dark"
    while window.page.locator("html").get_attribute("data-theme") != other:
        window.page.locator("theme-switch button").click()
    assert is_dark() == (other == "dark")

    window.page.reload()
    expect(window.page.locator("html")).to_have_attribute("data-theme", other)
    assert is_dark() == (other == "dark")


def serious_findings(window) -> list[str]:
    """What axe finds, as far as it keeps people from using the page."""
    # Preloading copies style sheets into the page, which its policy refuses; only rules about orientation need it.
    findings = Axe().run(window.page, options={"preload": False}).response["violations"]
    return [
        f"{finding['id']}: {finding['help']}: {[node['html'] for node in finding['nodes']]}"
        for finding in findings
        if finding["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", SIGNED_OUT_PAGES)
def test_pages_for_visitors_have_no_serious_accessibility_findings(open_window, path, theme):
    window = open_window(color_scheme=theme)
    window.page.goto(path)

    assert serious_findings(window) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", SIGNED_IN_PAGES)
def test_pages_have_no_serious_accessibility_findings(open_window, alice, bob, room, path, theme):
    fill(room, alice, [f"Number {number} with `code`, a https://example.org/ link" for number in range(60)])
    fill(room, bob, ["> quoted", "- list"])
    window = open_window(alice, color_scheme=theme)
    window.page.goto(path.format(slug=room.slug))
    if path in ROOM_PAGES:
        window.is_now("online")

    assert serious_findings(window) == []


@pytest.mark.provokes("status of 40")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_refusals_and_open_drawers_have_no_serious_accessibility_findings(open_window, alice, carol, room, theme):
    private = make_room(f"private-{carol.pk}", [carol], kind="private")
    empty = make_room(f"empty-{carol.pk}", [alice])
    window = open_window(alice, color_scheme=theme)

    for path in (f"/rooms/{private.slug}/", "/rooms/nowhere/"):
        window.page.goto(path)
        assert serious_findings(window) == []
    window.enter(empty)
    window.open_people()
    assert serious_findings(window) == []
    stranger = open_window(carol, color_scheme=theme)
    stranger.page.goto(f"/rooms/{room.slug}/")
    assert serious_findings(stranger) == []
