"""docs/runtime.md lists what there is to import."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| `(channels_core[\w.]*)` \| (.*) \|$", re.MULTILINE)
ROWS = ROW.findall((ROOT / "docs/runtime.md").read_text())
LISTED = {module: re.findall(r"`(\w+)`", names) for module, names in ROWS}


def modules() -> list[str]:
    """Every module of the runtime, apart from packages that hold nothing but modules."""
    paths = sorted((ROOT / "channels_core").rglob("*.py"))
    holding = [path for path in paths if len(ast.parse(path.read_text()).body) > 1]  # more than a docstring
    return [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in holding]


def test_every_module_is_listed():
    assert sorted(LISTED) == sorted(modules())


@pytest.mark.parametrize(("module", "names"), LISTED.items(), ids=LISTED)
def test_every_name_that_is_listed_can_be_imported(module, names):
    assert names
    for name in names:
        assert hasattr(import_module(module), name), f"{module}.{name}"
