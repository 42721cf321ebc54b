"""
For packages that were written for Django Channels: ``import channels`` means this runtime.

One line at the top of the settings turns it on::

    from channels_core.compat import install; install()
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

from django.core.exceptions import ImproperlyConfigured

THEIRS, OURS = "channels", __package__


def install() -> None:
    """
    Make ``channels`` and everything below it another name for the modules of this package.

    They are the same objects, so a consumer, a layer or an exception that somebody imports from ``channels``
    is ours. The code of Channels, which such packages bring along, is not loaded. To call it again does nothing.

    Raises:
        ImproperlyConfigured: something has loaded Channels already and holds on to its classes.
    """
    if any(isinstance(finder, Alias) for finder in sys.meta_path):
        return
    if loaded := sorted(name for name in sys.modules if _is_theirs(name)):
        raise ImproperlyConfigured(
            f"{loaded[0]} was imported before channels_core could take its place. Put the line "
            "`from channels_core.compat import install; install()` at the top of the settings, above every import "
            "that leads to it; if a program imports it before the settings, at the top of that program."
        )
    sys.meta_path.insert(0, Alias())


class Alias(MetaPathFinder, Loader):
    """Finds ``channels.x`` and loads ``channels_core.x`` for it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """
        Where to load ``fullname`` from: from here, if it is a name of Channels.

        Raises:
            ModuleNotFoundError: it is, and this package has no such module. To leave it to the next finder
                would be to search the folder of this package under another name.
        """
        if not _is_theirs(fullname):
            return None
        ours = find_spec(_our_name(fullname))
        if ours is None:
            raise ModuleNotFoundError(
                f"No module named {fullname!r}: channels_core takes the place of channels, and has no such module.",
                name=fullname,
            )
        return ModuleSpec(fullname, self, origin=ours.origin, is_package=ours.submodule_search_locations is not None)

    def exec_module(self, module: ModuleType) -> None:
        """
        Put our module in the place of ``module``, the empty one that the import system has made.

        What is in ``sys.modules`` after this is what the import returns. Ours keeps its own name and spec,
        which relative imports inside it rely on.
        """
        sys.modules[module.__name__] = import_module(_our_name(module.__name__))


def _is_theirs(name: str) -> bool:
    return name == THEIRS or name.startswith(f"{THEIRS}.")


def _our_name(name: str) -> str:
    return OURS + name.removeprefix(THEIRS)
