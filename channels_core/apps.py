"""Makes the runtime an installed app: for its system checks, its management commands and its part in Daphne."""

import sys

from django.apps import AppConfig


class ChannelsConfig(AppConfig):
    """The app of the runtime; everything but checks and commands works without installing it."""

    name = "channels_core"
    verbose_name = "Channels"

    def ready(self) -> None:
        from . import checks  # noqa: F401 - importing registers them

        if "daphne.ws_protocol" in sys.modules:  # only where Daphne runs, for its sake nobody loads Twisted
            from .servers.daphne import install

            install()
