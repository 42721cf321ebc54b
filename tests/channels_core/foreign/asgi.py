"""
The application of that project: two packages that were written for Channels, side by side.

The consumer of the one changes models and sends to a group, that of the other listens to the group.
"""

import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from django.core.asgi import get_asgi_application

django_application = get_asgi_application()

import channels_redis  # noqa: E402
import strawberry  # noqa: E402
from channels.generic.http import AsyncHttpConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from django.contrib.auth.models import Group  # noqa: E402
from django.urls import path, re_path  # noqa: E402
from djangochannelsrestframework.decorators import action  # noqa: E402
from djangochannelsrestframework.generics import GenericAsyncAPIConsumer  # noqa: E402
from djangochannelsrestframework.mixins import CreateModelMixin, ListModelMixin  # noqa: E402
from djangochannelsrestframework.observer import model_observer  # noqa: E402
from djangochannelsrestframework.permissions import AllowAny  # noqa: E402
from rest_framework.serializers import ModelSerializer  # noqa: E402
from strawberry.channels import GraphQLHTTPConsumer, GraphQLWSConsumer  # noqa: E402


class GroupSerializer(ModelSerializer):
    class Meta:
        model = Group
        fields = ["id", "name"]


class GroupConsumer(ListModelMixin, CreateModelMixin, GenericAsyncAPIConsumer):
    """djangochannelsrestframework: Django's groups over a websocket, and word of every change."""

    queryset = Group.objects.order_by("id")
    serializer_class = GroupSerializer
    permission_classes = (AllowAny,)

    @model_observer(Group)
    async def group_changed(self, message: dict[str, Any], **kwargs: Any) -> None:
        await self.send_json(message)

    @group_changed.serializer
    def group_changed(self, instance: Group, action: Any, **kwargs: Any) -> dict[str, str]:
        return {"changed": instance.name, "how": action.value}

    @action()
    async def watch(self, **kwargs: Any) -> None:
        await self.group_changed.subscribe()
        await self.send_json({"watching": True})

    @action()
    async def say(self, text: str, **kwargs: Any) -> None:
        await self.channel_layer.group_send("talk", {"type": "talk.said", "text": text})


@strawberry.type
class Query:
    @strawberry.field
    async def groups(self) -> list[str]:
        return [group.name async for group in Group.objects.order_by("id")]


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def talk(self, info: strawberry.Info) -> AsyncGenerator[str, None]:
        """First ``listening``, then every text that is said."""
        consumer = info.context["ws"]
        async with consumer.listen_to_channel("talk.said", groups=["talk"]) as messages:
            yield "listening"
            async for message in messages:
                yield message["text"]


class LoadedConsumer(AsyncHttpConsumer):
    """Names the modules of this process that come from the folder of Channels."""

    async def handle(self, body: bytes) -> None:
        folder = Path(channels_redis.__file__).parent.parent / "channels"
        assert folder.is_dir()  # or the answer would say nothing
        files = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
        loaded = sorted(name for name, file in files.items() if file and folder in Path(file).parents)
        await self.send_response(200, " ".join(loaded).encode())


schema = strawberry.Schema(query=Query, subscription=Subscription)

application = ProtocolTypeRouter(
    {
        "http": URLRouter(
            [
                path("graphql", GraphQLHTTPConsumer.as_asgi(schema=schema)),
                path("loaded", LoadedConsumer.as_asgi()),
                re_path("", django_application),
            ]
        ),
        "websocket": AllowedHostsOriginValidator(
            URLRouter(
                [
                    path("groups", GroupConsumer.as_asgi()),
                    path("graphql", GraphQLWSConsumer.as_asgi(schema=schema)),
                ]
            )
        ),
    }
)
