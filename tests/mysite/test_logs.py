"""What is logged, and how a line looks, whoever writes it."""

import io
import json
import logging
import logging.config
import re

import pytest
from django.core.exceptions import ImproperlyConfigured

from mysite import logs
from tests.servers import wait_until


@pytest.fixture
def write():
    """Log an error of a handler, in the format asked for; returns what was written."""

    def write(format: str) -> str:
        config = logs.config(format, "INFO")
        configured = logging.config.DictConfigurator(config)  # only makes the formatter: the tests' logging stays
        handler = logging.StreamHandler(io.StringIO())
        handler.setFormatter(configured.configure_formatter(config["formatters"][format]))
        logger = logging.Logger("chat.consumers")
        logger.addHandler(handler)
        try:
            raise ZeroDivisionError("no\nway")
        except ZeroDivisionError:
            logger.exception("Failed for user %d.", 7)
        return handler.stream.getvalue()

    return write


def test_a_plain_line_says_when_how_bad_where_and_what(write):
    first, *trace = write("plain").splitlines()

    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ERROR chat\.consumers: Failed for user 7\.", first)
    assert trace[0] == "Traceback (most recent call last):"


def test_in_json_an_error_is_one_line_with_its_traceback_in_it(write):
    [line] = write("json").splitlines()

    said = json.loads(line)
    assert said.keys() == {"time", "level", "logger", "message", "exc_info"}
    assert (said["level"], said["logger"], said["message"]) == ("ERROR", "chat.consumers", "Failed for user 7.")
    assert said["exc_info"].endswith("ZeroDivisionError: no\nway")


@pytest.mark.parametrize(
    ("format", "level", "sentence"),
    [
        ("xml", "INFO", "LOG_FORMAT must be one of plain, json, but is 'xml'."),
        ("json", "LOUD", "LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR, but is 'LOUD'."),
    ],
)
def test_what_it_cannot_do_it_refuses_by_name(format, level, sentence):
    with pytest.raises(ImproperlyConfigured, match=re.escape(sentence)):
        logs.config(format, level)


def test_whoever_writes_in_production_writes_json(production):
    """The master, the workers before and after Django is set up, uvicorn's errors, and Django's."""
    assert production.get("/fail").status == 500
    # A page would need static files that somebody has collected.
    assert production.get("/accounts/logout/").status == 405

    def said() -> list[dict[str, str]]:
        complete, _, _ = production.log.read_text().rpartition("\n")
        return [json.loads(line) for line in complete.split("\n")]

    def told(logger: str, message: str) -> list[dict[str, str]]:
        return [line for line in said() if line["logger"] == logger and message in line["message"]]

    wait_until(lambda: told("django.request", "Method Not Allowed (GET)"), what="the refusal in the log")
    assert told("gunicorn.error", "Listening at")
    assert told("gunicorn.error", "Booting worker")
    [error] = told("uvicorn.error", "Exception in ASGI application")
    assert error["level"] == "ERROR"
    assert error["exc_info"].endswith("ZeroDivisionError")
