"""The people of a room: let in, sent away, kept out, and who moderates it."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from .. import limits, rooms
from ..forms import MemberForm
from ..models import Membership, User
from .access import SignedInRequest, about_room, place_at
from .haste import take
from .messages import room_page


@about_room
@require_POST
def member_add(request: SignedInRequest, slug: str) -> HttpResponse:
    """Let somebody into a private room."""
    place = place_at(request, slug)
    take(limits.joins, request)
    form = MemberForm(request.POST)
    if form.is_valid():
        try:
            added = rooms.add_member(actor=request.user, room=place.room, **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, f"{added.user.name} can come in now.")
            return redirect(place.room)
    return room_page(request, place, member_form=form, status=422)


@about_room
@require_POST
def member_remove(request: SignedInRequest, slug: str, user_id: int) -> HttpResponse:
    room = place_at(request, slug).room
    user = get_object_or_404(User, pk=user_id)
    rooms.remove_member(actor=request.user, room=room, user=user)
    messages.success(request, f"{user.name} is not in this room any more.")
    return redirect(room)


@about_room
@require_POST
def member_ban(request: SignedInRequest, slug: str, user_id: int) -> HttpResponse:
    room = place_at(request, slug).room
    user = get_object_or_404(User, pk=user_id)
    rooms.ban_member(actor=request.user, room=room, user=user)
    messages.success(request, f"{user.name} is banned. You can lift the ban in the room's settings.")
    return redirect(room)


@about_room
@require_POST
def member_unban(request: SignedInRequest, slug: str, user_id: int) -> HttpResponse:
    room = place_at(request, slug).room
    user = get_object_or_404(User, pk=user_id)
    rooms.unban_member(actor=request.user, room=room, user=user)
    messages.success(request, f"{user.name} can come back now.")
    return redirect("chat:room_settings", slug)


@about_room
@require_POST
def member_role(request: SignedInRequest, slug: str, user_id: int) -> HttpResponse:
    """Who moderates the room."""
    room = place_at(request, slug).room
    user = get_object_or_404(User, pk=user_id)
    try:
        rooms.set_role(actor=request.user, room=room, user=user, role=request.POST.get("role", ""))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        is_moderator = request.POST["role"] == Membership.Role.MODERATOR
        messages.success(
            request, f"{user.name} {'moderates this room now' if is_moderator else 'is a plain member now'}."
        )
    return redirect(room)
