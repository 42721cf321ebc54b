"""Who may see a page of a room, and the pages that say why not."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from .. import queries
from ..models import Membership, Room, User
from .haste import TooFastError, too_fast

P = ParamSpec("P")


class SignedInRequest(HttpRequest):
    """What ``login_required`` lets through, for type checkers."""

    user: User


class OutsideError(Exception):
    """The reader is no member of this room."""

    def __init__(self, room: Room) -> None:
        super().__init__(room.slug)
        self.room = room


def about_room(
    view: Callable[Concatenate[SignedInRequest, str, P], HttpResponse],
) -> Callable[..., HttpResponse]:
    """A view of the room with that slug, for who is signed in. What is refused in it becomes a page that says so."""

    @wraps(view)
    def answer(request: SignedInRequest, slug: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            return view(request, slug, *args, **kwargs)
        except Room.DoesNotExist:
            return render(request, "404.html", {"room_slug": slug}, status=404)
        except OutsideError as outside:
            return _page_for_outsiders(request, outside.room)
        except TooFastError as refusal:
            context = {"room_slug": slug, "refusal": str(refusal)}
            return too_fast(render(request, "chat/too_fast.html", context), refusal.wait)
        except PermissionDenied as refusal:
            return render(request, "chat/refused.html", {"room_slug": slug, "refusal": str(refusal)}, status=403)

    return login_required(answer)


def room_at(request: SignedInRequest, slug: str) -> Room:
    """
    The room, whether the reader is in it or not.

    Raises:
        Room.DoesNotExist: there is none.
    """
    found, _ = queries.place_in(request.user, slug)
    if found is None:
        raise Room.DoesNotExist
    return found


def place_at(request: SignedInRequest, slug: str) -> Membership:
    """
    The reader's place in the room.

    Raises:
        Room.DoesNotExist: there is no such room.
        OutsideError: the reader is not in it.
    """
    found, place = queries.place_in(request.user, slug)
    if found is None:
        raise Room.DoesNotExist
    if place is None:
        raise OutsideError(found)
    return place


def _page_for_outsiders(request: SignedInRequest, room: Room) -> HttpResponse:
    """How to get in; or, where that is not theirs to do, why not."""
    if room.kind != Room.Kind.PUBLIC:
        return render(request, "403.html", {"room_slug": room.slug}, status=403)
    is_banned = room.bans.filter(user=request.user).exists()
    context = {"room": room, "member_count": room.memberships.count(), "is_banned": is_banned}
    status = 200 if request.method == "GET" and not is_banned else 403
    return render(request, "chat/room_join.html", context, status=status)
