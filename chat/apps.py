"""The chat as a Django app."""

from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = "Chat"

    def ready(self) -> None:
        from . import bell, recovery

        bell.connect()
        recovery.connect()
