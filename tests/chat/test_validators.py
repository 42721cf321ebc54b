"""What people may write: in one line, such as a name, and in a message."""

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from chat.validators import MAX_TEXT_LENGTH, clean_text, validate_single_line

FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f466"  # one emoji: three people and two joiners


def code_of(refusal) -> str:
    return refusal.value.code


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("Hello", "Hello"),
        ("Hello  \n\n", "Hello"),
        ("\n\nHello", "Hello"),
        ("    indented = code", "    indented = code"),
        ("one\r\ntwo\r\n", "one\ntwo"),
        ("one\n\n\ntwo", "one\n\n\ntwo"),
        (FAMILY, FAMILY),
        ("مرحبا بالعالم", "مرحبا بالعالم"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("\u202eHello", "\u202eHello"),
    ],
)
def test_a_text_keeps_all_but_the_blank_around_it(written, stored):
    assert clean_text(written) == stored


@pytest.mark.parametrize(
    "text",
    ["", " ", "\n", " \t\r\n ", "\u00a0", "\u200b", "\u200d\u200c", "\u2060\ufeff", "\u202e", "\u00ad", "\u2028\u3000"]
    + ["\u3164", "\u2800", "\u115f\u1160", "\u034f", "\ufe0f", "\uffa0", "\u17b4"],
    ids=ascii,
)
def test_a_text_that_nobody_can_see_is_empty(text):
    """The last ones are letters, marks and symbols to Unicode, and blank in every font."""
    with pytest.raises(ValidationError) as refusal:
        clean_text(text)

    assert code_of(refusal) == "empty"


@pytest.mark.parametrize("character", ["x", "é", "語", "\U0001f600"])
def test_a_text_has_up_to_4000_characters_however_many_bytes_they_take(character):
    assert MAX_TEXT_LENGTH == 4_000
    assert clean_text(character * 4_000) == character * 4_000

    with pytest.raises(ValidationError) as refusal:
        clean_text(character * 4_001)
    assert code_of(refusal) == "too_long"
    assert refusal.value.messages == ["A message has at most 4,000 characters; this one has 4,001."]


def test_blank_around_a_text_does_not_count():
    assert clean_text("\n" * 100 + "x" * 4_000 + " " * 100) == "x" * 4_000


@pytest.mark.parametrize("text", ["a\0b", "\0", "a\ud83d", "\ude00b"], ids=ascii)
def test_a_text_that_no_database_can_store_is_refused(text):
    with pytest.raises(ValidationError) as refusal:
        clean_text(text)

    assert code_of(refusal) == "invalid"


@given(st.text(st.characters(), max_size=60))
def test_what_has_been_cleaned_stays_as_it_is_and_can_be_stored(text):
    """A text that is sent again, as the composer keeps it, is the same message."""
    try:
        cleaned = clean_text(text)
    except ValidationError:
        return

    assert clean_text(cleaned) == cleaned
    assert cleaned.encode().strip(b"\n")


@pytest.mark.parametrize("name", ["Ada Lovelace", "نور الهدى", "日本語", FAMILY, "", "O’Neil & Söhne"])
def test_a_name_is_any_printable_line(name):
    validate_single_line(name)


@pytest.mark.parametrize(
    ("name", "code"),
    [("a\nb", "U+000A"), ("a\tb", "U+0009"), ("a\0", "U+0000"), ("a\u202eb", "U+202E"), ("a\u2028b", "U+2028")]
    + [("\ud800", "U+D800"), ("a\u00a0b", "U+00A0"), ("a\u200bb", "U+200B")],
    ids=ascii,
)
def test_a_name_that_would_mislead_or_break_the_line_is_refused(name, code):
    with pytest.raises(ValidationError) as refusal:
        validate_single_line(name)

    assert code_of(refusal) == "invalid"
    assert code in refusal.value.messages[0]
