"""The application that every server runs: HTTP to Django, websockets to the chat's consumers."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")

# Before the imports below: it loads the apps, and consumers import models.
django_application = get_asgi_application()

from channels_core.auth import AuthMiddlewareStack  # noqa: E402
from channels_core.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels_core.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from chat.routing import websocket_urlpatterns  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": django_application,
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)
