"""scripts/rename: a copy of this project gets another name, works under it, and keeps nothing of the old one."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.renaming import (
    NEW,
    NEWER,
    OLD,
    commit,
    copy_project,
    left_overs,
    rename,
    rename_project,
    run,
    succeed,
)

NAME, TITLE = NEW

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture(scope="module")
def renamed(tmp_path_factory) -> Path:
    """A copy of the project with its new names; what was printed is in ``said.txt`` beside it."""
    folder = copy_project(tmp_path_factory.mktemp("renamed") / "project")
    folder.with_name("said.txt").write_text(rename_project(folder, NEW))
    return folder


@pytest.fixture
def small(tmp_path) -> Path:
    """The least that is a project: what tells its names, a word or two, and scripts/rename."""
    name, title = OLD
    (tmp_path / "scripts").mkdir()
    shutil.copy2(rename.ROOT / "scripts/rename", tmp_path / "scripts")
    (tmp_path / name).mkdir()
    (tmp_path / name / "settings.py").write_text(f'SITE_NAME = env.str("SITE_NAME", default="{title}")\n')
    (tmp_path / "manage.py").write_text(f'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "{name}.settings")\n')
    (tmp_path / "room.txt").write_text("The lobby is a room.\n")
    return tmp_path


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in rename.files_of(folder)}


def refusal(folder: Path, *arguments: str) -> str:
    """What is said when nothing is renamed; that nothing is changed either is checked."""
    before = contents(folder)
    done = run(folder, sys.executable, "scripts/rename", *arguments)
    assert done.returncode == 1
    assert done.stdout.startswith("Nothing was renamed. ")
    assert contents(folder) == before
    return done.stdout


# --- A whole project ---------------------------------------------------------------------------------


def test_nothing_is_left_of_the_old_names(renamed):
    assert left_overs(renamed, OLD) == []


def test_it_says_what_it_did_and_has_left_nothing_to_do(renamed):
    said = renamed.with_name("said.txt").read_text()

    assert f"{OLD.name} is {NAME} now, and {OLD.title} is {TITLE}" in said
    assert f"tests/{OLD.name} -> tests/{NAME}" in said
    assert "make run" in said
    assert "left for you" not in said.lower()


def test_its_settings_have_the_new_names(renamed):
    show = "SITE_NAME, ROOT_URLCONF, SESSION_COOKIE_NAME, CSRF_COOKIE_NAME, REDIS_PREFIX"

    printed = succeed(renamed, sys.executable, "-c", f"from {NAME}.settings import *; print([{show}])")

    assert printed.strip() == str([TITLE, f"{NAME}.urls", f"{NAME}_sessionid", f"{NAME}_csrftoken", NAME])


def test_its_checks_and_migrations_are_in_order(renamed):
    succeed(renamed, sys.executable, "manage.py", "check", "--fail-level=WARNING")
    assert "No changes" in succeed(renamed, sys.executable, "manage.py", "makemigrations", "--check", "--dry-run")


def test_its_code_is_formatted(renamed):
    """Other names sort imports in another order, and break lines in other places."""
    succeed(renamed, ".venv/bin/ruff", "check", "--no-cache")
    succeed(renamed, ".venv/bin/ruff", "format", "--check", "--no-cache")


def test_its_own_tests_pass(renamed):
    """The quick ones, which look at names, files and settings."""
    quick = ["test_architecture.py", f"{NAME}/test_env_example.py", f"{NAME}/test_static_files.py"]

    succeed(renamed, sys.executable, "-m", "pytest", "-pno:cacheprovider", *(f"tests/{name}" for name in quick))


def test_programs_can_still_be_run(renamed):
    modes = {path.name: path.stat().st_mode for path in (rename.ROOT / "scripts").iterdir() if path.is_file()}

    assert {name: (renamed / "scripts" / name).stat().st_mode for name in modes} == modes


def test_it_can_be_renamed_again(renamed, tmp_path):
    again = shutil.copytree(renamed, tmp_path / "again", symlinks=True)

    rename_project(again, NEWER)

    assert left_overs(again, NEW) == []
    succeed(again, sys.executable, "manage.py", "check", "--fail-level=WARNING")


# --- What counts as the name -------------------------------------------------------------------------


def replaced(text: str, old=("zebra", "Zebra Desk"), new=("okapi", "Okapi")) -> str:
    return rename.replacing(rename.Names(*old), rename.Names(*new))(text)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("from zebra import x", "from okapi import x"),
        ('"zebra.settings"', '"okapi.settings"'),
        ("zebra_sessionid tests/zebra/", "okapi_sessionid tests/okapi/"),
        ("zebra-web-1", "okapi-web-1"),
        ("Zebra Desk's rooms", "Okapi's rooms"),
        ("<title>Zebra Desk</title>", "<title>Okapi</title>"),
        ("zebraic, uzebra, zebra2", "zebraic, uzebra, zebra2"),
        ("Zebra Desks, a desk, Zebra", "Zebra Desks, a desk, Zebra"),
    ],
)
def test_names_stand_alone_or_in_compounds(before, after):
    assert replaced(before) == after


def test_underscores_may_be_hyphens_in_the_names_of_packages():
    assert replaced("# via zebra-desk", old=("zebra_desk", "Zebra"), new=("ibis_den", "Ibis")) == "# via ibis-den"


def test_columns_stay_where_they_are():
    assert replaced("zebra/         the settings\n", new=("ostrich", "Ostrich")) == "ostrich/       the settings\n"
    assert replaced("zebra/zebra.py   the rest\n", new=("ostrich", "Ostrich")) == "ostrich/ostrich.py  the rest\n"


def test_a_title_may_hold_the_name():
    assert replaced("zebra: zebra desk", old=("zebra", "zebra desk"), new=("ibis", "ibis den")) == "ibis: ibis den"


# --- What is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Okapi",
        "1okapi",
        "an-okapi",
        "an okapi",
        "_okapi",
        "okapi_",
        "an__okapi",
        "café",
        "a" * 31,
        "a;b",
        "../okapi",
    ],
)
def test_a_name_that_is_no_lower_case_identifier_is_refused(small, name):
    assert f"but got {name!r}" in refusal(small, name, TITLE)


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("class", "a keyword of Python"),
        ("match", "a keyword of Python"),
        ("test", "a module of Python itself"),
        ("django", "a package that this project installs"),
        ("channels_redis", "a package that this project installs"),
        ("chat", "a file or folder of this project"),
        ("channels_core", "a file or folder of this project"),
        ("tests", "a file or folder of this project"),
        ("templates", "a file or folder of this project"),
        ("manage", "a file or folder of this project"),
    ],
)
def test_a_name_that_belongs_to_something_else_is_refused(name, owner):
    with pytest.raises(rename.Refusal, match=f"{name!r} is the name of {owner}"):
        rename.check_name(rename.ROOT, name)


def test_a_name_of_an_installed_module_is_refused(small):
    (small / ".venv/lib/python3.13/site-packages/environ").mkdir(parents=True)

    assert "installed in .venv" in refusal(small, "environ", TITLE)


def test_names_that_postgres_keeps_are_refused(small):
    assert "PostgreSQL" in refusal(small, "pg_okapi", TITLE)


@pytest.mark.parametrize(
    "title", ["", " ", "-", "2026", "a" * 41, " Okapi", "Okapi ", "An  Okapi", "An\nOkapi", "A\tB"]
)
def test_a_title_that_is_no_line_of_words_is_refused(small, title):
    assert f"but got {title!r}" in refusal(small, NAME, title)


@pytest.mark.parametrize("sign", "'\"\\<>&{}[]()$%#:;|`@,*~/=?^_\u202e\N{OWL}")
def test_a_title_that_would_need_quoting_somewhere_is_refused(sign):
    with pytest.raises(rename.Refusal, match="Expected TITLE"):
        rename.check_title(f"Okapi{sign} Den")


@pytest.mark.parametrize("title", ["A", "Okapi Den", "Café Zürich", "Büro-Funk 2.0", "こんにちは", "हिन्दी", "C++ Now!"])
def test_titles_are_words_of_any_language(title):
    rename.check_title(title)


@pytest.mark.parametrize(("name", "title", "kind"), [("lobby", TITLE, "NAME"), (NAME, "The lobby", "TITLE")])
def test_a_word_of_the_project_is_no_name_for_it(small, name, title, kind):
    """The next renaming would take each of its mentions for the project."""
    said = refusal(small, name, title)

    assert f"{kind} to be no word of the project yet" in said
    assert "room.txt:1" in said


def test_a_name_and_a_title_that_are_the_same_are_refused(small):
    assert "to differ" in refusal(small, "okapi", "okapi")


def test_a_missing_title_is_refused(small):
    assert "Expected a NAME and a TITLE" in refusal(small, NAME)


def test_a_folder_that_is_in_the_way_is_refused(small):
    for name in (OLD.name, NAME):
        (small / "tests" / name).mkdir(parents=True)
        (small / "tests" / name / "one.txt").write_text("One\n")

    assert f"tests/{NAME} to be free" in refusal(small, *NEW)


def test_names_that_cannot_be_found_out_are_missed(small):
    (small / "manage.py").write_text("")

    assert "DJANGO_SETTINGS_MODULE" in refusal(small, *NEW)


# --- What is kept safe -------------------------------------------------------------------------------


@needs_git
def test_what_is_not_committed_is_not_mixed_with_a_renaming_unless_forced(small):
    commit(small)
    (small / "room.txt").write_text(f"{OLD.title} has a room.\n")

    assert "but room.txt is not" in refusal(small, *NEW)
    rename_project(small, NEW, "--force")

    assert (small / "room.txt").read_text() == f"{TITLE} has a room.\n"


@needs_git
def test_git_takes_a_renaming_back_and_it_can_be_repeated(small):
    """Bytecode that Python has written meanwhile is ignored by git, and stays."""
    (small / ".gitignore").write_text("__pycache__/\n")
    commit(small)
    before = contents(small)
    rename_project(small, NEW)
    bytecode = small / NAME / "__pycache__" / "settings.pyc"
    bytecode.parent.mkdir()
    bytecode.write_bytes(b"")

    succeed(small, "git", "checkout", "--quiet", ".")
    succeed(small, "git", "clean", "-fdq")

    assert bytecode.exists()
    assert contents(small) == before
    rename_project(small, NEW)
    assert (small / NAME / "settings.py").is_file()


@needs_git
def test_what_git_ignores_is_left_alone(small):
    (small / ".gitignore").write_text("/notes/\n.env\n")
    (small / "notes").mkdir()
    (small / "notes/mine.txt").write_text(f"{OLD.name}\n")
    (small / ".env").write_text(f"REDIS_PREFIX={OLD.name}\n")
    commit(small)

    said = rename_project(small, NEW)

    assert (small / "notes/mine.txt").read_text() == f"{OLD.name}\n"
    assert "Your own .env mentions the old names" in said


def test_without_git_what_a_project_leaves_behind_is_left_alone(small):
    left = [".venv/lib/one.py", "var/one.txt", "static/node_modules/one.js", ".env", "db.sqlite3-wal"]
    for path in left:
        (small / path).parent.mkdir(parents=True, exist_ok=True)
        (small / path).write_text(OLD.name)

    rename_project(small, NEW)

    assert {path: (small / path).read_text() for path in left} == dict.fromkeys(left, OLD.name)


def test_pictures_line_ends_and_modes_stay(small):
    picture = b"\x89PNG\r\n\x00" + OLD.name.encode()
    (small / "picture.png").write_bytes(picture)
    (small / "start").write_bytes(f"#!/bin/sh\r\nexec {OLD.name}\r\n".encode())
    (small / "start").chmod(0o755)

    said = rename_project(small, NEW)

    assert (small / "picture.png").read_bytes() == picture
    assert "hold no text: picture.png" in said
    assert (small / "start").read_bytes() == f"#!/bin/sh\r\nexec {NAME}\r\n".encode()
    assert os.access(small / "start", os.X_OK)


def test_other_forms_of_the_name_are_pointed_out(small):
    (small / "form.txt").write_text(f"One\n{OLD.name.upper()}\n")

    assert "left for you: form.txt:2" in rename_project(small, NEW)


def test_what_fails_half_way_is_taken_back(small, monkeypatch):
    def full(source: Path, target: Path) -> None:
        raise OSError("No space left on device")

    before = contents(small)
    monkeypatch.setattr(Path, "rename", full)

    with pytest.raises(OSError, match="No space left"):
        list(rename.rename(small, *NEW))

    assert contents(small) == before


def test_names_that_it_has_already_are_no_work(small):
    assert "There is nothing to rename" in rename_project(small, OLD)


def test_the_title_alone_can_be_changed(small):
    rename_project(small, (OLD.name, TITLE))

    assert rename.current_names(small) == (OLD.name, TITLE)
