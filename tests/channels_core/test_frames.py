"""Frames made ahead, read by the parser of the websockets library."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from channels_core.frames import Burst, text_frame
from tests.channels_core.servers.writing import LENGTHS, SEVERAL, TEXTS, frames_in, texts_in

texts = st.text(max_size=200) | st.sampled_from(TEXTS)
bursts = st.lists(texts, min_size=1, max_size=4).map(lambda texts: Burst(*texts))


@given(st.text())
@example("")
@example("😀")
def test_a_parser_reads_what_was_put_in(text):
    assert texts_in(text_frame(text.encode())) == [text]


@pytest.mark.parametrize("length", sorted({near for length in LENGTHS for near in (length, length + 1)}))
def test_a_frame_is_the_same_as_that_of_the_library(length):
    text = b"x" * length

    assert text_frame(text) == Frame(Opcode.TEXT, text).serialize(mask=False)


@given(st.lists(texts, min_size=1, max_size=6))
@example(SEVERAL)
def test_a_burst_is_all_of_its_texts_in_order(texts):
    burst = Burst(*texts)

    assert texts_in(burst.frames) == [event["text"] for event in burst.events] == list(burst.texts) == texts


@given(st.lists(bursts, min_size=2, max_size=5), st.data())
def test_bursts_are_joined_in_order_whatever_has_been_made_of_them_before(bursts, data):
    for burst in bursts:
        if data.draw(st.booleans()):
            assert burst.frames
            assert burst.events
    *before, last = bursts

    joined = sum(before[1:], before[0]) + last

    assert list(joined.texts) == [text for burst in bursts for text in burst.texts]
    assert texts_in(joined.frames) == list(joined.texts)
    assert joined.events == Burst(*joined.texts).events


def test_everybody_shares_what_is_made_of_a_burst():
    one, other = Burst("one"), Burst("other")
    joined = one + other

    assert one.frames is one.frames
    assert one.events is one.events
    assert joined.frames is joined.frames
    assert [event is shared for event, shared in zip(joined.events, one.events + other.events, strict=True)] == [
        True
    ] * 2


def test_joining_changes_nothing_of_what_is_joined():
    one = Burst("one")

    assert (one + one).texts == ("one", "one")
    assert one.texts == ("one",)
    assert frames_in(one.frames) == [(Opcode.TEXT, b"one")]


def test_half_a_surrogate_pair_is_refused():
    with pytest.raises(UnicodeEncodeError):
        Burst("\ud83d").frames  # noqa: B018


def test_what_people_wrote_stays_out_of_logs():
    assert "secret" not in repr(Burst("secret"))
