"""The project's application with leases of seconds, for a test that waits for one to expire."""

import django

django.setup()

from chat import leases, presence  # noqa: E402 (they need Django)

leases.LEASE_S = 3
presence.REFRESH_S = 0.5  # before the pulse takes it over

from mysite.asgi import application  # noqa: E402

__all__ = ["application"]
