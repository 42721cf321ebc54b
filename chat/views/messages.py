"""The page of a room, and the form in it that works without script."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid4

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from .. import limits, queries, services
from ..forms import MemberForm, MessageForm
from ..models import Membership, Message
from .access import SignedInRequest, about_room, place_at
from .haste import TooFastError, take, too_fast

GROUP_WITHIN = timedelta(minutes=5)  # as in static/js/core/dates.js


@about_room
@require_GET
def room(request: SignedInRequest, slug: str) -> HttpResponse:
    """The room: its newest messages, or with ``?before=<seq>`` the page before that message."""
    place = place_at(request, slug)
    return room_page(request, place, before=_seq(request.GET.get("before", "")))


@about_room
@require_POST
def message_post(request: SignedInRequest, slug: str) -> HttpResponse:
    """Say something without script. The same service stores it as for a socket."""
    place = place_at(request, slug)
    form = MessageForm(request.POST)
    if form.is_valid():
        try:
            take(limits.posts, request)
        except TooFastError as refusal:
            form.add_error("text", str(refusal))
            return too_fast(room_page(request, place, post_form=form), refusal.wait)
        draft = services.Draft(place.room.pk, request.user.pk, **form.cleaned_data)
        [outcome] = services.post_messages([draft])
        if isinstance(outcome, Message):
            # Whoever writes below what the page shows has seen it; with script the page tells how far.
            services.mark_read([services.ReadMark(place.room.pk, request.user.pk, outcome.seq)])
            return HttpResponseRedirect(f"{place.room.get_absolute_url()}#message-{outcome.pk}")
        form.add_error("text", outcome)
    elif "client_id" in form.errors:
        # No page of ours sends that: the text is kept, under an id that works.
        form = MessageForm({"client_id": uuid4(), "text": request.POST.get("text", "")})
        form.add_error("text", "This form was damaged on its way and has not been sent. Send it again.")
    return room_page(request, place, post_form=form, status=422)


@about_room
@require_POST
def room_read(request: SignedInRequest, slug: str) -> HttpResponse:
    """Mark the room as read up to the place ``seq``, without script."""
    place = place_at(request, slug)
    take(limits.reads, request)
    if seq := _seq(request.POST.get("seq", "")):
        services.mark_read([services.ReadMark(place.room.pk, request.user.pk, seq)])
    return redirect(place.room)


def room_page(
    request: HttpRequest,
    place: Membership,
    *,
    before: int | None = None,
    post_form: MessageForm | None = None,
    member_form: MemberForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """The page of the room, with the forms as they are."""
    page = queries.page_of(place.room, before=before)
    address = reverse("chat:room", args=[place.room.slug])
    context = {
        "room": place.room,
        "membership": place,
        "members": _ranked(place, queries.members_of(place.room)),
        "member_count": place.room.memberships.count(),
        "timeline": _grouped(page.messages),
        "has_older": page.more,
        "older_url": f"{address}?before={page.messages[0].seq}" if page.more else None,
        "newest_url": address,
        "is_page": before is not None,
        "socket_path": place.room.socket_path,
        "post_form": post_form or MessageForm(),
        "can_add_members": place.may_invite,
        "member_form": member_form or MemberForm(),
    }
    return render(request, "chat/room.html", context, status=status)


def _seq(text: str) -> int | None:
    """A place in a room; None for what is none."""
    return int(text) if text.isdecimal() and len(text) < 19 else None


def _ranked(place: Membership, members: Sequence[Membership]) -> Sequence[Membership]:
    """Mark whom the reader may send away (``is_below``)."""
    for member in members:
        member.is_below = place.outranks(member)
    return members


def _grouped(timeline: Sequence[Message]) -> Sequence[Message]:
    """Mark where a day starts (``starts_day``) and what goes on from the message before (``continues``)."""
    before: Message | None = None
    for message in timeline:
        day = timezone.localdate(message.created)
        message.starts_day = before is None or day != timezone.localdate(before.created)
        message.continues = (
            before is not None
            and not message.starts_day
            and message.author_id == before.author_id
            and message.created - before.created < GROUP_WITHIN
        )
        before = message
    return timeline
