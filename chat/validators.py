"""What people may write: checks that models, forms and services share."""

import re
import unicodedata

from django.core.exceptions import ValidationError

MAX_TEXT_LENGTH = 4_000  # characters (code points)

# Joiners shape emoji and several scripts; every other invisible sign in a name only misleads.
JOINERS = "\u200c\u200d"
INVISIBLE = {"Cc", "Cf", "Zs", "Zl", "Zp"}
# Letters, marks and symbols to Unicode, and blank on every screen.
BLANKS = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\ufe0e\ufe0f\uffa0"

_UNSTORABLE = re.compile(r"[\0\ud800-\udfff]")


def validate_single_line(value: str) -> None:
    """Accept a name or topic of printable characters only: no line breaks, no direction overrides."""
    for sign in value:
        if not (sign.isprintable() or sign in JOINERS):
            raise ValidationError(
                "Expected printable characters on one line, but got U+%(code)s.",
                code="invalid",
                params={"code": f"{ord(sign):04X}"},
            )


def clean_text(text: str) -> str:
    """
    The text of a message as it is stored: no blank lines around it, no white space at its end.

    Raises:
        ValidationError: code ``empty`` (nothing visible), ``too_long`` (over ``MAX_TEXT_LENGTH``
            characters) or ``invalid`` (what no database can store).
    """
    if _UNSTORABLE.search(text):
        raise ValidationError("A message cannot hold the NUL character or half of a surrogate pair.", code="invalid")
    text = text.replace("\r\n", "\n").rstrip().lstrip("\n")
    if all(unicodedata.category(sign) in INVISIBLE or sign in BLANKS for sign in text):
        raise ValidationError("Write something first: this message is empty.", code="empty")
    if len(text) > MAX_TEXT_LENGTH:
        raise ValidationError(
            "A message has at most %(limit)s characters; this one has %(length)s.",
            code="too_long",
            params={"limit": f"{MAX_TEXT_LENGTH:,}", "length": f"{len(text):,}"},
        )
    return text
