"""
gunicorn's worker for this runtime: ``gunicorn mysite.asgi:application -k channels_core.servers.gunicorn.Worker``.

Give it at least 15 s of ``graceful_timeout``: what a drain takes at most (see ``channels_core.servers.uvicorn``).
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from gunicorn.arbiter import Arbiter
from uvicorn_worker import UvicornWorker

from ..checks import worker_errors
from .garbage import Collector
from .uvicorn import DEFAULTS, Server

GIVE_WAY_S = 10.0  # long enough to be stopped meanwhile


class Worker(UvicornWorker):
    """A process that serves with uvicorn."""

    CONFIG_KWARGS = DEFAULTS

    def load_wsgi(self) -> None:
        """Load the application; wrong settings, or layers that workers cannot share, stop the whole server."""
        try:
            super().load_wsgi()
            for error in worker_errors(self.cfg.workers):
                raise ImproperlyConfigured(f"{error.msg} {error.hint}")
        except ImproperlyConfigured as error:
            if self.age % self.cfg.workers != 1 % self.cfg.workers:
                time.sleep(GIVE_WAY_S)  # one stops the whole server; over two at a time gunicorn stumbles
            self.log.error("Wrong settings: %s", error)
            sys.exit(Arbiter.APP_LOAD_ERROR)

    async def _serve(self) -> None:
        self.config.app = self.wsgi
        self.config.ws_max_size = getattr(settings, "CHANNELS_MAX_FRAME_BYTES", self.config.ws_max_size)
        server = Server(self.config)
        # What gunicorn sends for a quick end.
        asyncio.get_running_loop().add_signal_handler(signal.SIGQUIT, server.handle_exit, signal.SIGINT, None)
        Collector(server.server_state.connections).start()
        # Sockets, not gunicorn's wrappers: uvloop would close those behind its own back, and they would complain.
        await server.serve(sockets=[listener.sock for listener in self.sockets])
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
