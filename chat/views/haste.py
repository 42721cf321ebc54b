"""What is answered to who is too fast."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase

from .. import limits

View = TypeVar("View", bound=Callable[..., HttpResponseBase])
R = TypeVar("R", bound=HttpResponseBase)


class TooFastError(Exception):
    """Nothing was done; ``wait`` seconds later it may be."""

    def __init__(self, wait: float) -> None:
        super().__init__(f"Too fast. Try again in {limits.seconds(wait)} s.")
        self.wait = wait


def take(limit: limits.Limit, request: HttpRequest) -> None:
    """
    Count this request of whoever is signed in.

    Raises:
        TooFastError: it is one too many.
    """
    if wait := limit.take(request.user.pk):
        raise TooFastError(wait)


def too_fast(response: R, wait: float) -> R:
    """The page, as the answer to a request that was one too many."""
    response.status_code = 429
    response.headers["Retry-After"] = str(limits.seconds(wait))
    return response


def limits_sign_ins(view: View) -> View:
    """A view whose form no address sends more often than CHAT_SIGN_IN_RATE; else it is shown again, and says so."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # Behind a proxy that is believed (FORWARDED_ALLOW_IPS) this is the browser's address, not the proxy's.
        wait = limits.sign_ins.take(request.META.get("REMOTE_ADDR", "")) if request.method == "POST" else 0
        if not wait:
            return view(request, *args, **kwargs)
        messages.error(request, f"Too many tries. Try again in {limits.seconds(wait)} s.")
        request.POST.get("next")  # read while it is a POST: the page keeps where one wanted to go
        request.method = "GET"  # passwords are not even looked at: that takes time
        response = view(request, *args, **kwargs)
        return too_fast(response, wait) if response.status_code == 200 else response  # it leads on who is signed in

    return cast("View", answer)
