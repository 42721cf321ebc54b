"""docs/fork.md is true: copies of this project follow it, and have what it promises."""

import json
import re
from pathlib import Path

import pytest

from tests.docs.test_names import LISTED, ROOT, ROW
from tests.forking import PAGE, Fork, part, steps

FIRST = "From clone to own project in ten minutes"
STRIP = "Strip the chat, keep the runtime"
POLL = "A second real-time app"
PLAIN = "In words that both have"
SWITCH, BACK = "The switch", "And back"
FOLLOWED = (FIRST, STRIP, POLL, PLAIN, SWITCH, BACK)

# The first table of docs/runtime.md; the second is about what is inside.
PUBLIC = {module for module, _ in ROW.findall((ROOT / "docs/runtime.md").read_text().split("\nInside, ")[0])}

# Modules of tests that take no time: about most of what the runtime has, and what of the project is left.
QUICK = ["test_auth", "test_base", "test_checks", "test_consumer", "test_db", "test_memory", "test_outbox"]
QUICK += ["test_routing", "test_security_websocket", "test_sessions"]
QUICK += ["test_architecture", "test_env_example", "test_logs", "test_pages", "test_static_files"]


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Fork:
    """A fork with a field of its own and the poll, beside the chat."""
    fork = Fork.made_in(tmp_path_factory.mktemp("own") / "project")
    fork.follow(FIRST)
    fork.follow(POLL)
    return fork


@pytest.fixture(scope="module")
def stripped(tmp_path_factory) -> Fork:
    """A fork without the chat."""
    fork = Fork.made_in(tmp_path_factory.mktemp("stripped") / "project")
    fork.follow(STRIP)
    return fork


def test_every_block_of_the_page_is_followed():
    assert sum(len(steps(title)) for title in FOLLOWED) == len(re.findall(r"^```\w", PAGE.read_text(), re.MULTILINE))


def test_the_first_field_is_stored_and_asked_for(own):
    asked = own.manage("shell", "--verbosity=0", "-c", "from chat.forms import ProfileForm as F; print(*F.base_fields)")

    assert "pronouns" in asked.split()
    assert "No changes" in own.manage("makemigrations", "--check", "--dry-run")


# --- The poll ----------------------------------------------------------------------------------------


def test_the_poll_is_less_than_a_hundred_lines():
    of_tools = ("tests/", "pyproject.toml")
    lines = [line for step in steps(POLL) if step.path and not step.path.startswith(of_tools) for line in step.added]

    assert len(lines) < 100
    assert f" {len(lines)} lines," in part(POLL)


def test_the_poll_passes_its_tests(own):
    own.test("tests/polls", "tests/test_architecture.py")


def test_the_poll_is_as_tidy_as_the_rest(own):
    written = [step.path for step in steps(POLL) if str(step.path).endswith(".py")]

    own.run(".venv/bin/ruff", "check", *written)
    own.run(".venv/bin/ruff", "format", "--check", *written)


# --- Without the chat --------------------------------------------------------------------------------


def test_a_stripped_project_is_in_order(stripped):
    stripped.manage("check", "--fail-level=WARNING")
    assert "No changes" in stripped.manage("makemigrations", "--check", "--dry-run")
    assert "[ ]" not in stripped.manage("showmigrations")
    stripped.run(".venv/bin/ruff", "check")
    stripped.run(".venv/bin/ruff", "format", "--check")


def test_the_runtime_passes_its_tests_without_the_chat(stripped):
    """The quick ones; that every test can be imported is seen on the way."""
    stripped.test("-k", " or ".join(f"{name}.py" for name in QUICK))


def test_nothing_refers_to_what_is_gone(stripped):
    """Apart from texts for people, which people rewrite. What tests import is seen when they are collected."""
    left = set(stripped.files())
    gone = [path for path in Fork(ROOT).files() if path not in left]
    names = {name for path in gone for name in names_of(path)}
    assert {"chat.models", "chat/_sidebar.html", "js/chat/index.js", "components/room.css", "seed_demo"} <= names
    file = re.compile(rf"(?<![\w./])({'|'.join(sorted(map(re.escape, names)))})(?!\w)")
    app = re.compile(r"\b(from|import) chat\b|\bchat_tags\b|\bchat:\w")  # its modules, its tags, its addresses

    texts = {path: (stripped.folder / path).read_bytes().decode(errors="ignore") for path in left}
    code = {path: text for path, text in texts.items() if not path.startswith("tests/") and not path.endswith(".md")}
    for mention in (file, app):
        assert [f"{path}: {found[0]}" for path, text in code.items() for found in mention.finditer(text)] == []
    assert '"chat' not in texts["mysite/settings.py"] + texts["mysite/logs.py"] + texts["pyproject.toml"]


def names_of(path: str) -> set[str]:
    """What code calls a file."""
    names = {path, path.removeprefix("templates/"), path.removeprefix("static/"), path.removeprefix("static/css/")}
    if path.endswith(".py"):
        names.add(path.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    if "/management/commands/" in path:
        names.add(Path(path).stem)
    return names - {"chat", "__init__"}


# --- Upstream ----------------------------------------------------------------------------------------


# Prints which of these names Channels has no counterpart for, and which attributes its consumers have not.
COMPARE = """
import json, sys
from importlib import import_module
import mysite.asgi

def upstream(module):
    try:
        return import_module(module.replace("channels_core", "channels"))
    except ModuleNotFoundError:
        return None

def attributes(consumer):
    return {name for name in dir(consumer) if not name.startswith("_")}

listed = json.loads(sys.argv[1])
lacking = {module: [name for name in names if not hasattr(upstream(module), name)] for module, names in listed.items()}
for module in ("channels_core.generic.websocket", "channels_core.generic.http"):
    for name in listed[module]:
        theirs = attributes(getattr(upstream(module), name))
        lacking[module] += attributes(getattr(import_module(module), name)) - theirs
print(json.dumps(lacking))
"""


def test_what_upstream_lacks_is_told(own):
    """Every public name of the runtime is in Channels, or in the table; and what is in the table is not there."""
    lacking = json.loads(own.run(".venv/bin/python", "-c", COMPARE, json.dumps(LISTED)))
    cells = re.findall(r"^\| (`.*?) \| ", part("To upstream Channels, and back"), re.MULTILINE)
    told = {name for cell in cells for name in re.findall(r"`([\w.]+)", cell)}
    modules = {name for name in told if name.startswith("channels_core.")}
    names = {name for name in told - modules if not name.isupper()}

    public = {module: names for module, names in lacking.items() if module in PUBLIC}
    assert names == {name for module, names in public.items() if not is_in(module, modules) for name in names}
    assert all(lacking[module] == LISTED[module] for module in LISTED if is_in(module, modules))


def is_in(module: str, packages: set[str]) -> bool:
    return any(f"{module}.".startswith(f"{package}.") for package in packages)


def test_the_poll_runs_on_both_and_its_test_is_the_same(stripped, tmp_path):
    fork = stripped.copied_to(tmp_path / "project")
    fork.follow(POLL)
    fork.follow(PLAIN)
    before = contents(fork)
    fork.test("tests/polls")

    fork.follow(SWITCH)

    assert contents(fork)["tests/polls/test_polls.py"] == before["tests/polls/test_polls.py"]
    loaded = "import sys, mysite.asgi; print(*sys.modules)"
    modules = fork.run(".venv/bin/python", "-c", loaded).split()
    assert "channels.generic.websocket" in modules
    assert "channels_core.generic.websocket" not in modules
    fork.test("tests/polls", "tests/test_architecture.py")

    fork.follow(BACK)

    changed = {path for path, text in contents(fork).items() if text != before[path]}
    assert changed == {"pyproject.toml", "tests/test_architecture.py"}


def contents(fork: Fork) -> dict[str, bytes]:
    return {path: (fork.folder / path).read_bytes() for path in fork.files()}
