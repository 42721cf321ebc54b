"""Rooms: the list, making one, coming in and leaving, its settings and its end."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from .. import limits, queries, rooms
from ..forms import RoomDeletionForm, RoomForm, RoomSettingsForm
from ..models import Room
from .access import OutsideError, SignedInRequest, about_room, place_at, room_at
from .haste import TooFastError, take, too_fast

ROOMS_PER_PAGE = 30


@login_required
@require_GET
def room_list(request: SignedInRequest) -> HttpResponse:
    """Public rooms to browse and search."""
    search = request.GET.get("q", "").replace("\0", "").strip()
    page = Paginator(queries.public_rooms(request.user, search), ROOMS_PER_PAGE).get_page(request.GET.get("page"))
    return render(
        request,
        "chat/room_list.html",
        {
            "rooms": page.object_list,
            "query": search,
            "next_page": page.next_page_number() if page.has_next() else None,
            "previous_page": page.previous_page_number() if page.has_previous() else None,
        },
    )


@login_required
def room_new(request: SignedInRequest) -> HttpResponse:
    """Create a room."""
    form = RoomForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            take(limits.new_rooms, request)
        except TooFastError as refusal:
            form.add_error(None, str(refusal))
            return too_fast(render(request, "chat/room_form.html", {"form": form}), refusal.wait)
        return redirect(rooms.create_room(owner=request.user, **form.cleaned_data))
    return render(request, "chat/room_form.html", {"form": form})


@about_room
@require_POST
def room_join(request: SignedInRequest, slug: str) -> HttpResponse:
    found = room_at(request, slug)
    take(limits.joins, request)
    try:
        rooms.join_room(user=request.user, room=found)
    except PermissionDenied:
        raise OutsideError(found) from None
    return redirect(found)


@about_room
@require_POST
def room_leave(request: SignedInRequest, slug: str) -> HttpResponse:
    found = room_at(request, slug)
    rooms.leave_room(user=request.user, room=found)
    messages.info(request, f"You left {found}.")
    return redirect("chat:room_list")


@about_room
@require_http_methods(["GET", "POST"])
def room_settings(request: SignedInRequest, slug: str) -> HttpResponse:
    """What the owner can change, and for moderators, too, who is banned."""
    place = place_at(request, slug)
    if not place.may_moderate or place.room.kind == Room.Kind.DIRECT:
        raise PermissionDenied("Only the owner and moderators of a room see its settings.")
    form = RoomSettingsForm.of(place.room)
    if request.method == "POST":
        form = RoomSettingsForm(request.POST)
        if form.is_valid():
            try:
                rooms.change_room(actor=request.user, room=place.room, **form.cleaned_data)
            except ValidationError as error:
                form.add_error(None, error)
            else:
                messages.success(request, "Saved.")
                return redirect("chat:room_settings", slug)
    context = {"room": place.room, "membership": place, "form": form, "bans": queries.bans_of(place.room)}
    return render(request, "chat/room_settings.html", context)


@about_room
@require_http_methods(["GET", "POST"])
def room_delete(request: SignedInRequest, slug: str) -> HttpResponse:
    """Ask for the room's name before all that was said in it goes."""
    place = place_at(request, slug)
    if not place.may_manage:
        raise PermissionDenied("Only the owner of a room can delete it.")
    form = RoomDeletionForm(place.room.name, request.POST if request.method == "POST" else None)
    if form.is_valid():
        rooms.delete_room(actor=request.user, room=place.room)
        messages.info(request, f"{place.room} is gone.")
        return redirect("chat:room_list")
    context = {"room": place.room, "form": form, "message_count": place.room.messages.count()}
    return render(request, "chat/room_delete.html", context)
