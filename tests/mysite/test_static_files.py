"""What production serves: files with hashed names, in which every name still leads somewhere."""

import re
from pathlib import Path

import pytest
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command
from django.test import override_settings

IMPORT = re.compile(r"""(?:^|\s)(?:import|from)\s*\(?["']([^"']+)["']""")
URL = re.compile(r"""(?:@import\s+|url\()["']([^"']+)""")
HASHED = re.compile(r"\.[0-9a-f]{12}\.\w+$")


@pytest.fixture(scope="module")
def collected(tmp_path_factory) -> Path:
    """The folder that collectstatic fills in production."""
    storages = {"staticfiles": {"BACKEND": "mysite.storage.HashedStaticFilesStorage"}}
    folder = tmp_path_factory.mktemp("static")
    with override_settings(STATIC_ROOT=str(folder), STORAGES=storages):
        call_command("collectstatic", verbosity=0)
        # Built from the settings inside, like the one of a production process.
        assert staticfiles_storage.url("js/chat/index.js") != "/static/js/chat/index.js"
        yield folder


@pytest.mark.parametrize(("pattern", "kind"), [(IMPORT, "js"), (URL, "css")], ids=["modules", "styles"])
def test_what_files_name_is_there_under_its_hashed_name(collected, pattern, kind):
    """A browser that keeps files for ever must never meet a name that stays when its content changes."""
    files = [path for path in (collected / kind).rglob(f"*.{kind}") if HASHED.search(path.name)]
    named = [
        (path, name)
        for path in files
        for name in pattern.findall(path.read_text())
        if not name.startswith(("data:", "#", "http"))
    ]

    assert named
    wrong = [
        f"{path.name}: {name}" for path, name in named if not HASHED.search(name) or not (path.parent / name).is_file()
    ]
    assert wrong == []
