"""The live server: the project's application, served by Daphne in a process of its own, for tests with real clients."""

from __future__ import annotations

import os
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from queue import Empty
from typing import Any, ClassVar

import django
from asgiref.sync import SyncToAsync
from daphne.testing import DaphneProcess
from django.apps import apps
from django.conf import ENVIRONMENT_VARIABLE, global_settings, settings
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.test import TransactionTestCase
from django.test.utils import modify_settings

from .. import db
from ..layers import channel_layers
from ..routing import get_default_application
from ..types import ASGIApplication, Receive, Scope, Send

STOP_TIMEOUT_S = 5.0


def make_application(*, static_wrapper: Any = None) -> ASGIApplication:
    """The application that ``ASGI_APPLICATION`` names, in ``static_wrapper`` if there is one."""
    application = get_default_application()
    return application if static_wrapper is None else static_wrapper(application)


def set_database_connection(names: dict[str, str] | None = None) -> None:
    """
    Make this process use the test databases.

    Args:
        names: of the databases, by alias; by default that of ``default``, from its ``TEST`` settings.

    Raises:
        ImproperlyConfigured: the name of the test database is not known.
    """
    if names is None:
        names = {"default": settings.DATABASES["default"].get("TEST", {}).get("NAME")}
    for alias, name in names.items():
        if not name:
            raise ImproperlyConfigured(f"DATABASES[{alias!r}] has no TEST NAME, so there is no test database to use.")
        connections[alias].settings_dict["NAME"] = settings.DATABASES[alias]["NAME"] = name


class ServedProject:
    """
    What the server's process serves: made in the process of the tests, loaded by ``load`` in the other.

    A forked process has everything as the tests have it, but for the threads. A spawned one starts from
    the settings module and is told here what the tests have changed.
    """

    def __init__(self, static_wrapper: Any) -> None:
        self.static_wrapper = static_wrapper
        self.databases = {alias: str(connections[alias].settings_dict["NAME"]) for alias in connections}
        self.settings = _changed_settings()
        self.application: ASGIApplication | None = None

    def get_application(self) -> ASGIApplication:
        """Itself, since Daphne tells nobody of an error that is raised here."""
        return self

    def load(self) -> None:
        """Load the application. Daphne calls this before it serves, and reports what goes wrong."""
        try:
            self._load()
        except Exception:
            # As text, for not every exception can be handed from process to process.
            raise RuntimeError(traceback.format_exc()) from None

    def _load(self) -> None:
        # Pools and layers of a forked process are those of its parent, whose threads and loops it has not.
        SyncToAsync.single_thread_executor = ThreadPoolExecutor(max_workers=1)
        db._pool.cache_clear()
        channel_layers.backends = {}
        if ENVIRONMENT_VARIABLE not in os.environ and not settings.configured:
            settings.configure()
        for name, value in self.settings.items():
            setattr(settings, name, value)
        if not apps.ready:
            django.setup()
        set_database_connection(self.databases)
        if "daphne.ws_protocol" in sys.modules:
            from ..servers.daphne import install

            install()
        self.application = make_application(static_wrapper=self.static_wrapper)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        assert self.application is not None
        return await self.application(scope, receive, send)


class ChannelsLiveServerTestCase(TransactionTestCase):
    """
    A test case with a server: ``live_server_url`` and ``live_server_ws_url`` are where it listens.

    It uses the test databases, so they cannot be in memory. Of a channel layer in memory it has one of
    its own: what a test sends there does not reach it.
    """

    host: ClassVar[str] = "localhost"
    ProtocolServerProcess: ClassVar[Any] = DaphneProcess
    static_wrapper: ClassVar[Any] = ASGIStaticFilesHandler
    serve_static: ClassVar[bool] = True
    start_timeout_s: ClassVar[float] = 30.0

    _port: ClassVar[int]

    @property
    def live_server_url(self) -> str:
        return f"http://{self.host}:{self._port}"

    @property
    def live_server_ws_url(self) -> str:
        return f"ws://{self.host}:{self._port}"

    @classmethod
    def setUpClass(cls) -> None:
        """
        Start the server.

        Raises:
            ImproperlyConfigured: a test database is in memory.
            RuntimeError: the server does not start; with its own words.
        """
        super().setUpClass()
        for connection in connections.all():
            if connection.vendor == "sqlite" and connection.is_in_memory_db():  # type: ignore[attr-defined]
                raise ImproperlyConfigured(
                    "The server of ChannelsLiveServerTestCase is a process of its own and cannot use a database in "
                    f'memory. Give DATABASES[{connection.alias!r}]["TEST"] a NAME: a file.'
                )
            # A forked process must not speak on our connections, nor close them.
            connection.close()
        allowed_hosts = modify_settings(ALLOWED_HOSTS={"append": cls.host})
        allowed_hosts.enable()
        cls.addClassCleanup(allowed_hosts.disable)
        project = ServedProject(cls.static_wrapper if cls.serve_static else None)
        process = cls.ProtocolServerProcess(cls.host, project.get_application, setup=project.load)
        process.start()
        cls.addClassCleanup(_stop, process)
        _wait_until_ready(process, cls.start_timeout_s)
        cls._port = process.port.value


def _changed_settings() -> dict[str, Any]:
    """Settings that are not those of the settings module: the test runner's, and overridden ones."""
    module = sys.modules.get(os.environ.get(ENVIRONMENT_VARIABLE, ""))
    names = [name for name in dir(settings) if name.isupper()]
    originals = {name: getattr(module, name, getattr(global_settings, name, None)) for name in names}
    return {name: getattr(settings, name) for name in names if getattr(settings, name) != originals[name]}


def _wait_until_ready(process: Any, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not process.ready.wait(0.1):
        if not process.is_alive():
            raise RuntimeError(f"The live server ended, with exit code {process.exitcode}. {_error(process)}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"The live server is not ready after {timeout_s} s. {_error(process)}")


def _error(process: Any) -> str:
    """What the server itself has to say."""
    try:
        _, trace = process.errors.get(timeout=1)
    except Empty:
        return "It reported no error."
    return f"It reported:\n{trace}"


def _stop(process: Any) -> None:
    process.terminate()
    process.join(STOP_TIMEOUT_S)
    if process.is_alive():
        process.kill()
        process.join()
