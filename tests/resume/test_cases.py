"""The cases that the browser's timeline is tested with are those that the rules here make."""

from . import cases


def test_the_cases_of_the_browser_are_as_the_generator_makes_them():
    assert cases.CASES.read_text() == cases.text(), "Run `python -m tests.resume.cases`."
