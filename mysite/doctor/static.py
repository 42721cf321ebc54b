"""Static files: whether what production serves is there, and is today's."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.contrib.staticfiles.storage import ManifestFilesMixin
from django.core.files.storage import storages

from .findings import Findings, error, ok, plural

COLLECT = "python manage.py collectstatic --noinput"


def examine() -> Findings:
    storage: Any = storages["staticfiles"]
    if not issubclass(type(storage), ManifestFilesMixin):  # isinstance() would hide the rest of it from mypy
        yield ok("Static files are served from where they are, as suits development.")
        return
    if not storage.hashed_files:
        yield error(f"Static files have not been collected: there is no manifest in {settings.STATIC_ROOT}.", COLLECT)
        return
    missing = [name for name in storage.hashed_files.values() if not storage.exists(name)]
    if missing:
        yield error(f"The manifest names what is not in {settings.STATIC_ROOT}: {_listed(missing)}.", COLLECT)
    outdated = [path for path, source in sources() if not _is_collected(path, source, storage)]
    if outdated:
        yield error(f"Added or changed since static files were collected: {_listed(outdated)}.", COLLECT)
    if not missing and not outdated:
        yield ok(f"{plural(len(storage.hashed_files), 'static file')} are collected, as they are in the project.")


def sources() -> Iterator[tuple[str, Any]]:
    """Each static file of the project and its apps; of several with one path the first, which is collected."""
    ignored = apps.get_app_config("staticfiles").ignore_patterns  # type: ignore[attr-defined]
    seen = set()
    for finder in get_finders():
        for path, storage in finder.list(ignored):
            if path not in seen:
                seen.add(path)
                yield path, storage


def _is_collected(path: str, source: Any, collected: Any) -> bool:
    """Compares contents: the time of a file is also that of a checkout or a copy."""
    if path not in collected.hashed_files:
        return False
    if not collected.exists(path):  # only the hashed one was kept
        return True
    with source.open(path) as original, collected.open(path) as copy:
        return bool(original.read() == copy.read())


def _listed(names: list[str]) -> str:
    return ", ".join(sorted(names)[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
