"""The chat as a Django app."""

from django.apps import AppConfig
from django.core.checks import register


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = "Chat"

    def ready(self) -> None:
        from . import bell, recovery, statements

        register(statements.check)
        bell.connect()
        recovery.connect()
