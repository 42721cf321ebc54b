"""The filters of the templates."""

import pytest

from chat.templatetags.chat_tags import initials


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Ada Lovelace", "AL"),
        ("ada", "A"),
        ("  Ada   King  Lovelace ", "AK"),
        ("", ""),
        ("نور الهدى", "نا"),
        ("ß x", "SSX"),
    ],
)
def test_a_person_without_a_picture_is_shown_by_two_initials(name, letters):
    assert initials(name) == letters
