"""``manage.py runworker``: handle what is sent to named channels."""

import logging
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ... import DEFAULT_CHANNEL_LAYER
from ...layers import InMemoryChannelLayer, get_channel_layer
from ...routing import get_default_application
from ...worker import Worker

logger = logging.getLogger("django.channels.worker")  # the name that logging set-ups know from Channels


class Command(BaseCommand):
    """
    Runs a worker until SIGTERM or SIGINT, or until its channel layer fails.

    A project with a worker of its own overrides ``worker_class`` in a command of its own.
    """

    help = "Handles what is sent to these channels, by the ``channel`` application of ASGI_APPLICATION."
    leave_locale_alone = True
    worker_class = Worker

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--layer", default=DEFAULT_CHANNEL_LAYER, help="Alias in CHANNEL_LAYERS, %(default)r by default."
        )
        parser.add_argument("channels", nargs="+", metavar="channel", help="Names of channels to listen on.")

    def handle(self, *args: Any, **options: Any) -> None:
        layer = get_channel_layer(options["layer"])
        if layer is None:
            raise CommandError(f"CHANNEL_LAYERS in the settings has no {options['layer']!r}.")
        if isinstance(layer, InMemoryChannelLayer):
            self.stderr.write("This layer is in memory: nothing that other processes send will come to this worker.")
        channels = options["channels"]
        logger.info("Running a worker for the channels %s.", ", ".join(channels))
        self.worker_class(application=get_default_application(), channels=channels, channel_layer=layer).run()
