"""The line breaks, and comes back: nothing is lost, nothing comes twice."""

import re

import pytest
from playwright.sync_api import expect

from chat.models import Message

DISCONNECTED = "reconnecting|offline"

# The browser itself says so in its console.
breaks_the_line = pytest.mark.provokes("^WebSocket connection to .* failed", "net::ERR_")


@breaks_the_line
def test_what_was_said_while_the_line_was_cut_arrives_on_both_sides_once(open_window, line, alice, bob, room):
    his, hers = open_window(bob).enter(room), open_window(alice, at=line).enter(room)
    hers.say("Before")
    his.sees("Before")

    line.cut()
    hers.is_now(DISCONNECTED)
    hers.say("Written while cut off")
    his.say("Said meanwhile")
    his.sees("Before", "Said meanwhile")
    line.mend()

    hers.is_now("online", timeout_s=20)
    for window in (hers, his):
        window.sees("Before", "Said meanwhile", "Written while cut off")
    assert Message.objects.filter(room=room).count() == 3


@breaks_the_line
def test_a_message_whose_acknowledgement_was_lost_is_stored_once(open_window, line, alice, bob, room):
    """The line freezes with the message on its way or not, and is cut: the sender cannot know, and repeats it."""
    his, hers = open_window(bob).enter(room), open_window(alice, at=line).enter(room)

    line.freeze()
    hers.say("Once")
    line.cut()
    line.mend()

    hers.is_now("online", timeout_s=20)
    for window in (hers, his):
        window.sees("Once")
    assert Message.objects.filter(room=room).count() == 1


@breaks_the_line
def test_a_reader_who_missed_more_than_a_page_starts_afresh_with_the_newest(open_window, line, alice, bob, room):
    his, hers = open_window(bob).enter(room), open_window(alice, at=line).enter(room)
    his.say("Before")
    hers.sees("Before")

    line.cut()
    hers.is_now(DISCONNECTED)
    texts = [f"Missed {number}" for number in range(1, 71)]
    for text in texts:
        his.say(text)
    his.sees("Before", *texts)
    line.mend()

    hers.is_now("online", timeout_s=20)
    hers.sees(*texts[-50:])
    seqs = hers.messages.evaluate_all("rows => rows.map(row => Number(row.dataset.seq))")
    assert seqs == sorted(set(seqs))
    assert seqs == list(range(seqs[0], 72)), "The page shows a hole."


@breaks_the_line
def test_a_line_that_carries_nothing_is_noticed_by_its_missing_beats(
    start_site, open_line, open_window, alice, bob, room
):
    """A black hole: every connection stays open, and nothing comes."""
    site = start_site(CHAT_BEAT_INTERVAL="0.5")
    line = open_line(site)
    his, hers = open_window(bob, at=site).enter(room), open_window(alice, at=line).enter(room)

    line.freeze()
    hers.is_now(DISCONNECTED)
    his.say("Do you hear me?")
    line.mend()

    hers.is_now("online", timeout_s=20)
    hers.sees("Do you hear me?")


@breaks_the_line
def test_going_offline_is_shown_and_coming_back_brings_what_was_missed(open_window, line, alice, bob, room):
    """A browser that is told to be offline keeps its open socket, so the line is cut as well."""
    his, hers = open_window(bob).enter(room), open_window(alice, at=line).enter(room)

    hers.page.context.set_offline(True)
    hers.is_now("offline")
    line.cut()
    hers.say("Written offline")
    his.say("Said meanwhile")
    his.sees("Said meanwhile")
    line.mend()
    hers.page.context.set_offline(False)

    hers.is_now("online", timeout_s=20)
    for window in (hers, his):
        window.sees("Said meanwhile", "Written offline")


@breaks_the_line
def test_who_lost_their_place_meanwhile_is_told_so_and_not_connected_again(open_window, line, alice, bob, room):
    hers = open_window(alice, at=line).enter(room)

    line.cut()
    hers.is_now(DISCONNECTED)
    room.memberships.filter(user=alice).delete()
    line.mend()

    hers.is_now("refused", timeout_s=20)
    expect(hers.page.locator("connection-state")).to_contain_text("You are no longer in this room.")
    expect(hers.composer).to_be_disabled()


@breaks_the_line
def test_who_was_logged_out_meanwhile_is_asked_to_log_in_again(open_window, line, alice, room):
    hers = open_window(alice, at=line).enter(room)

    line.cut()
    hers.is_now(DISCONNECTED)
    alice.set_password("another one")  # ends every session
    alice.save()
    line.mend()

    hers.is_now("refused", timeout_s=20)
    hers.page.get_by_role("link", name="Log in again").click()
    expect(hers.page).to_have_url(re.compile(f"/accounts/login/\\?next=/rooms/{room.slug}/$"))
