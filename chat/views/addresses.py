"""What answers on addresses that are no pages."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.views.decorators.http import require_GET


@require_GET
def favicon(request: HttpRequest) -> HttpResponse:
    """For pages that name no icon, and browsers that look here all the same."""
    return redirect(static("favicon.svg"))


def upgrade_required(request: HttpRequest) -> HttpResponse:
    """A plain request on a socket's address: say what belongs here."""
    return HttpResponse(
        "This address speaks WebSocket. Open it with a WebSocket client; the page of a room does so by itself.\n",
        status=426,
        headers={"Upgrade": "websocket"},
        content_type="text/plain; charset=utf-8",
    )
