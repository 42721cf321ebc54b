"""
The examples in the pages about the runtime run, as they are printed.

A page is a module: its ```python blocks share their names and run from top to bottom, those that await in an
event loop of the page. Two habits of Django projects mean here what they mean there:

- a block whose first line is ``# settings.py`` sets what it assigns in capitals, for the rest of the page;
- functions called ``test_...`` and test cases are run, behind the block that they are in.
"""

import ast
import asyncio
import inspect
import re
import sys
import unittest
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

import pytest
from django.test import override_settings

from tests.servers import RedisServer

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [DOCS / "runtime.md", DOCS / "from-channels.md", *sorted(DOCS.glob("runtime/*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)

# Python 3.12 and later say so of each fork of a process with threads, as a live server's is.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")


def blocks(page: Path) -> Iterator[str]:
    """The code of each block, moved down to its line in the page, for tracebacks."""
    text = page.read_text()
    for match in BLOCK.finditer(text):
        yield "\n" * text.count("\n", 0, match.start(1)) + match[1]


class Example:
    """A page that runs."""

    def __init__(self, page: Path, runner: asyncio.Runner, stack: ExitStack) -> None:
        self.page, self.runner, self.stack = page, runner, stack
        self.module = ModuleType("examples")

    def run(self, block: str) -> None:
        known = dict(vars(self.module))
        code = compile(block, self.page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        self.finish(eval(code, vars(self.module)))
        new = {name: value for name, value in vars(self.module).items() if known.get(name) is not value}
        if block.lstrip().startswith("# settings.py"):
            self.stack.enter_context(override_settings(**{name: new[name] for name in new if name.isupper()}))
        for name, value in new.items():
            if name.startswith("test_"):
                self.finish(value())
            elif inspect.isclass(value) and issubclass(value, unittest.TestCase) and value.__module__ == "examples":
                result = unittest.TestResult()
                unittest.defaultTestLoader.loadTestsFromTestCase(value).run(result)
                assert result.testsRun
                assert result.errors + result.failures == []

    def finish(self, result: object) -> None:
        if inspect.iscoroutine(result):
            self.runner.run(result)


@pytest.fixture
def channels_unloaded() -> Iterator[None]:
    """``channels`` as if nobody had imported it yet: channels-redis has, in other tests."""
    finders = list(sys.meta_path)
    loaded = {name: sys.modules.pop(name) for name in theirs()}
    yield
    for name in theirs():
        del sys.modules[name]
    sys.modules.update(loaded)
    sys.meta_path[:] = finders


def theirs() -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] == "channels"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_of_a_page_run(page, transactional_db, redis_server: RedisServer, monkeypatch, request):
    if page.name == "from-channels.md":
        request.getfixturevalue("channels_unloaded")
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    with asyncio.Runner() as runner, ExitStack() as stack:
        example = Example(page, runner, stack)
        monkeypatch.setitem(sys.modules, "examples", example.module)
        for block in blocks(page):
            example.run(block)


def test_every_page_has_examples():
    """And no block is missed for the way it is written."""
    for page in PAGES:
        assert len(list(blocks(page))) == page.read_text().count("```py") > 0, page
