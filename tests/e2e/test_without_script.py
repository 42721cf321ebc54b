"""The chat in a browser without JavaScript."""

import pytest
from playwright.sync_api import expect

from chat.models import Message


def test_the_form_sends_and_everybody_sees_it_at_once(open_window, alice, bob, room):
    his, hers = open_window(bob).enter(room), open_window(alice, java_script_enabled=False)
    hers.page.goto(f"/rooms/{room.slug}/")

    hers.composer.fill("By letter")
    hers.press("Send")

    expect(hers.message("By letter")).to_have_count(1)
    his.sees("By letter")


def test_going_back_and_sending_the_form_again_stores_one_message(open_window, alice, room):
    window = open_window(alice, java_script_enabled=False)
    window.page.goto(f"/rooms/{room.slug}/")
    client_id = window.page.locator("[name=client_id]").get_attribute("value")
    token = window.page.locator("message-composer [name=csrfmiddlewaretoken]").get_attribute("value")
    form = {"csrfmiddlewaretoken": token, "client_id": client_id, "text": "Once"}

    for _ in range(2):
        sent = window.page.request.post(f"/rooms/{room.slug}/messages/", form=form)
        assert sent.ok

    assert Message.objects.filter(room=room).count() == 1


@pytest.mark.provokes("status of 422")
def test_what_is_refused_comes_back_with_its_text_and_the_reason(open_window, alice, room):
    window = open_window(alice, java_script_enabled=False)
    window.page.goto(f"/rooms/{room.slug}/")

    window.composer.fill("x" * 4001)
    window.press("Send")

    expect(window.page.locator(".composer__error")).to_contain_text("4,000")
    expect(window.composer).to_have_value("x" * 4001)
    assert Message.objects.filter(room=room).count() == 0
