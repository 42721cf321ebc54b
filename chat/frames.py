"""What a client sends, taken apart: each part is what the protocol says, or a refusal names it."""

import json
import reprlib
from typing import Any, NoReturn
from uuid import UUID

from django.core.exceptions import ValidationError

Frame = dict[str, Any]

MAX_NUMBER = 2**63 - 1


class InvalidField(ValidationError):
    """A field of a frame that is not what the protocol says."""

    def __init__(self, field: str, expected: str, came: Any) -> None:
        # Not repr(): it is as long as the frame, and fails on nesting that JSON could still read.
        super().__init__(f"Expected {field} to be {expected}, but got {reprlib.repr(came)}.", code="invalid")
        self.field = field


def load(text: str) -> Any:
    """The JSON of a frame; ``ValueError`` for what is none, ``RecursionError`` for what is too deep."""
    return _decoder.decode(text)


def string(frame: Frame, field: str) -> str:
    if isinstance(value := frame.get(field), str):
        return value
    raise InvalidField(field, "a string", value)


def number(frame: Frame, field: str, most: int = MAX_NUMBER, least: int = 1) -> int:
    value = frame.get(field)
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    raise InvalidField(field, f"a whole number from {least} to {most}", value)


def uuid(frame: Frame, field: str) -> UUID:
    try:
        return UUID(string(frame, field))
    except ValueError:
        raise InvalidField(field, "a UUID", frame[field]) from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON.")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)  # one for all: json.loads makes one for each call
