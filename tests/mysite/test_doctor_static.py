"""``manage.py doctor`` on static files."""

import os

import pytest
from django.core.management import call_command
from django.test import override_settings

from mysite.doctor import Level, static
from tests.mysite.doctored import one


@pytest.fixture
def project(tmp_path):
    """A project with two static files, of which one names the other, as production serves them."""
    source, root = tmp_path / "source", tmp_path / "root"
    source.mkdir()
    (source / "index.css").write_text('@import url("base.css");')
    (source / "base.css").write_text("body { color: black }")
    with override_settings(
        STATIC_ROOT=str(root),
        STATICFILES_DIRS=[str(source)],
        STATICFILES_FINDERS=["django.contrib.staticfiles.finders.FileSystemFinder"],
        STORAGES={"staticfiles": {"BACKEND": "mysite.storage.HashedStaticFilesStorage"}},
    ):
        yield source, root


def collect():
    call_command("collectstatic", interactive=False, verbosity=0)


def test_static_files_that_were_never_collected_are_told(project):
    level, text, fix = one(static.examine())

    assert level == Level.ERROR
    assert "no manifest" in text
    assert "collectstatic" in fix


def test_static_files_that_are_collected_are_counted(project):
    collect()

    (finding,) = static.examine()

    assert (finding.level, finding.text.split()[0]) == (Level.OK, "2")


def test_static_files_are_out_of_date_when_their_content_is(project):
    source, _ = project
    collect()
    os.utime(source / "index.css")
    (source / "base.css").write_text("body { color: white }")
    (source / "new.css").write_text("")

    assert "base.css, new.css." in one(static.examine())[1]


def test_a_file_that_the_manifest_names_is_there(project):
    _, root = project
    collect()
    (hashed,) = root.glob("base.*.css")
    hashed.unlink()

    assert hashed.name in one(static.examine())[1]
