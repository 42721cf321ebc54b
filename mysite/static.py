"""Static files in production: WhiteNoise, behind an ASGI server."""

from contextlib import nullcontext
from typing import Any

from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware


class StaticFilesMiddleware(WhiteNoiseMiddleware):
    """
    WhiteNoise, with responses that are no streams.

    Under ASGI, Django reads a synchronous stream to its end before it sends any of it, and warns of that;
    these files are small, so they are read at once.
    """

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> HttpResponse:
        """Answer with what WhiteNoise finds: the file in the best encoding, a part of it, or 304."""
        found = static_file.get_response(request.method, request.META)
        with found.file or nullcontext() as file:
            response = HttpResponse(file.read() if file else b"", status=int(found.status))
        del response["Content-Type"]
        for name, value in found.headers:
            response[name] = value
        return response
