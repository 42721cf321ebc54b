"""
The shape of the project: who imports whom, and pages that hold no inline code.

docs/architecture.md explains it.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)

# Each row may import from itself and from the rows below; what a chain does not name is free in it.
# A module belongs to the longest name that fits.
PROJECT = [
    {"manage", "mysite"},
    {"chat.consumers", "chat.views", "chat.urls", "chat.routing", "chat.pulse", "chat.admin", "chat.forms"}
    | {"chat.apps", "chat.middleware", "chat.context_processors", "chat.management", "chat.templatetags"}
    | {"chat.demo", "chat.journal", "chat.recovery", "chat.watch", "chat.frames", "chat.inbox"}
    | {"chat.arrivals", "chat.gathering", "chat.receipts"},
    {"chat.services", "chat.rooms", "chat.queries", "chat.access", "chat.events", "chat.presence", "chat.rendering"}
    | {"chat.activity", "chat.bell", "chat.leases", "chat.limits", "chat.sessions"}
    | {"chat.hearsay", "chat.presence_local", "chat.statements"},
    {"chat.models", "chat.migrations", "chat.validators"},
    {"channels_core"},
]
RUNTIME_ENDS = {f"channels_core.{name}" for name in ("routing", "worker", "testing", "servers", "management")}
RUNTIME_BASE = {"channels_core.types", "channels_core.exceptions"}
MESSAGES = [
    RUNTIME_ENDS,
    {"channels_core.generic"},
    {"channels_core.consumer"},
    {"channels_core.broadcast"},
    {"channels_core.layers"},
    RUNTIME_BASE,
]
CONNECTIONS = [
    RUNTIME_ENDS,
    {"channels_core.auth"},
    {"channels_core.sessions"},
    {"channels_core.middleware"},
    RUNTIME_BASE,
]
CHAINS = {"project": PROJECT, "messages": MESSAGES, "connections": CONNECTIONS}


def modules(*packages: str) -> list[str]:
    """Dotted names of the modules in these folders."""
    paths = [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]
    return [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths]


def imports(module: str) -> Iterator[str]:
    """What a module imports, anywhere in it, as absolute names; ``from a import b`` gives ``a.b``."""
    path = ROOT.joinpath(*module.split("."))
    is_package = path.is_dir()
    path = path / "__init__.py" if is_package else path.with_suffix(".py")
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=source, names=names, level=level):
                up = level - is_package
                base = module.split(".")[: -up or None] if level else []
                yield from (".".join([*base, *filter(None, [source]), name.name]) for name in names)


def row_of(name: str, layers: list[set[str]]) -> int | None:
    """The number of the layer that a module belongs to, or None for a name from elsewhere."""
    while name:
        for number, layer in enumerate(layers):
            if name in layer:
                return number
        name = name.rpartition(".")[0]
    return None


def every_import() -> list[tuple[str, str]]:
    """Each import in the project: who imports, and what."""
    return [(module, name) for module in modules("mysite", "chat", "channels_core") for name in imports(module)]


def test_nothing_imports_the_channels_package():
    """Pip brings it in with channels-redis, but the runtime that runs is the one in this repository."""
    wrong = [(module, name) for module, name in every_import() if name.split(".")[0] == "channels"]

    assert wrong == []


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_imports_point_down(chain):
    rows = [(module, row_of(module, chain), name, row_of(name, chain)) for module, name in every_import()]
    known = [row for row in rows if row[1] is not None and row[3] is not None]

    assert known
    assert [f"{module} imports {name}" for module, row, name, other in known if other < row] == []


def test_every_module_has_a_place():
    """A new file joins a row, or an import that points up would go unnoticed in it."""
    homeless = [module for module in modules("mysite", "chat") if row_of(module, PROJECT) is None]

    assert homeless == ["chat"]  # the package itself: it holds nothing


def test_templates_hold_no_inline_script_or_style():
    """The Content Security Policy would refuse it: in a browser, and without a word in the tests of views."""
    inline = re.compile(
        r"<script(?![^>]*\bsrc=)[^>]*>"  # a script of its own
        r"|<style|\sstyle\s*="  # a style
        r"|\son[a-z]+\s*=|javascript:"  # a handler
    )
    comments = re.compile(r"{#.*?#}|{% comment.*?endcomment %}", re.DOTALL)
    templates = sorted((ROOT / "templates").rglob("*.html"))

    assert templates
    for template in templates:
        assert inline.findall(comments.sub("", template.read_text())) == [], template


def paths_in_readme() -> list[str]:
    """What README.md shows as `code` and looks like a path: with a slash, or a known kind of file."""
    spans = re.findall(r"`([^`\s]+)`", (ROOT / "README.md").read_text())
    path = re.compile(r"[\w.-]+(/[\w.*-]*)+|[\w.-]+\.(py|js|css|html|md|toml|txt|yml)")
    return sorted({span for span in spans if path.fullmatch(span)})


def test_files_that_the_readme_names_exist():
    """A file that moved takes its mention along, in the map of folders and in the life of a message."""
    missing = [path for path in paths_in_readme() if not any(ROOT.glob(path.rstrip("/")))]

    assert paths_in_readme()
    assert missing == []
