"""Adapters between requests and services: pages, and the forms that work without script."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid4

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_required
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.messages.views import SuccessMessageMixin
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import reverse, reverse_lazy
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST
from django.views.generic import CreateView, UpdateView

from . import queries, services
from .forms import MemberForm, MessageForm, ProfileForm, RoomForm, SignUpForm
from .models import Membership, Message, Room, User

ROOMS_PER_PAGE = 30
GROUP_WITHIN = timedelta(minutes=5)  # as in static/js/core/dates.js


class SignedInRequest(HttpRequest):
    """What ``login_required`` lets through, for type checkers."""

    user: User


class SignUpView(CreateView):
    """A new account, signed in at once."""

    form_class = SignUpForm
    template_name = "registration/signup.html"

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if request.user.is_authenticated:
            return redirect(settings.LOGIN_REDIRECT_URL)
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: SignUpForm) -> HttpResponse:  # type: ignore[override] # generic in the stubs alone
        login(self.request, form.save(), backend="django.contrib.auth.backends.ModelBackend")
        return redirect(settings.LOGIN_REDIRECT_URL)


class LoginView(auth_views.LoginView):
    redirect_authenticated_user = True
    extra_context = {"site_name": settings.SITE_NAME}  # Django's would be the host name


class PasswordResetView(auth_views.PasswordResetView):
    extra_email_context = {"site_name": settings.SITE_NAME}  # as above


class ProfileView(LoginRequiredMixin, SuccessMessageMixin, UpdateView):
    """How others see me."""

    form_class = ProfileForm
    template_name = "registration/profile.html"
    context_object_name = "person"  # Django's would be "user", which is the reader to the page around the form
    success_url = reverse_lazy("profile")
    success_message = "Saved."

    def get_object(self, queryset: QuerySet[User] | None = None) -> User:
        # A copy of its own: a refused change must not show in the page around the form.
        return User.objects.get(pk=self.request.user.pk or 0)


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
        return redirect(services.create_room(owner=request.user, **form.cleaned_data))
    return render(request, "chat/room_form.html", {"form": form})


@login_required
@require_GET
def room(request: SignedInRequest, slug: str) -> HttpResponse:
    """The room: its newest messages, or with ``?before=<seq>`` the page before that message."""
    place = _place_or_refusal(request, slug)
    if isinstance(place, HttpResponse):
        return place
    before = request.GET.get("before", "")
    return _room_page(request, place, before=int(before) if before.isdecimal() and len(before) < 19 else None)


@login_required
@require_POST
def room_join(request: SignedInRequest, slug: str) -> HttpResponse:
    found, _ = queries.place_in(request.user, slug)
    if found is None:
        return _not_found(request, slug)
    try:
        services.join_room(user=request.user, room=found)
    except PermissionDenied:
        return _forbidden(request, slug)
    return redirect(found)


@login_required
@require_POST
def room_leave(request: SignedInRequest, slug: str) -> HttpResponse:
    found, _ = queries.place_in(request.user, slug)
    if found is None:
        return _not_found(request, slug)
    services.leave_room(user=request.user, room=found)
    messages.info(request, f"You left {found}.")
    return redirect("chat:room_list")


@login_required
@require_POST
def member_add(request: SignedInRequest, slug: str) -> HttpResponse:
    """Let somebody into a private room."""
    place = _place_or_refusal(request, slug)
    if isinstance(place, HttpResponse):
        return place
    form = MemberForm(request.POST)
    if form.is_valid():
        try:
            added = services.add_member(actor=request.user, room=place.room, **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        except PermissionDenied:
            return _forbidden(request, slug)
        else:
            messages.success(request, f"{added.user.name} can come in now.")
            return redirect(place.room)
    return _room_page(request, place, member_form=form, status=422)


@login_required
@require_POST
def message_post(request: SignedInRequest, slug: str) -> HttpResponse:
    """Say something without script. The same service stores it as for a socket."""
    place = _place_or_refusal(request, slug)
    if isinstance(place, HttpResponse):
        return place
    form = MessageForm(request.POST)
    if form.is_valid():
        draft = services.Draft(place.room.pk, request.user.pk, **form.cleaned_data)
        [outcome] = services.post_messages([draft])
        if isinstance(outcome, Message):
            return HttpResponseRedirect(f"{place.room.get_absolute_url()}#message-{outcome.pk}")
        form.add_error("text", outcome)
    elif "client_id" in form.errors:
        # No page of ours sends that: the text is kept, under an id that works.
        form = MessageForm({"client_id": uuid4(), "text": request.POST.get("text", "")})
        form.add_error("text", "This form was damaged on its way and has not been sent. Send it again.")
    return _room_page(request, place, post_form=form, status=422)


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


def _place_or_refusal(request: SignedInRequest, slug: str) -> Membership | HttpResponse:
    """The reader's place in a room or, for those who have none, the page that says so."""
    found, place = queries.place_in(request.user, slug)
    if place:
        return place
    if found is None:
        return _not_found(request, slug)
    if found.kind != Room.Kind.PUBLIC:
        return _forbidden(request, slug)
    status = 200 if request.method == "GET" else 403
    context = {"room": found, "member_count": found.memberships.count()}
    return render(request, "chat/room_join.html", context, status=status)


def _room_page(
    request: HttpRequest,
    place: Membership,
    *,
    before: int | None = None,
    post_form: MessageForm | None = None,
    member_form: MemberForm | None = None,
    status: int = 200,
) -> HttpResponse:
    page = queries.page_of(place.room, before=before)
    address = reverse("chat:room", args=[place.room.slug])
    context = {
        "room": place.room,
        "membership": place,
        "members": queries.members_of(place.room),
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


def _not_found(request: HttpRequest, slug: str) -> HttpResponse:
    return render(request, "404.html", {"room_slug": slug}, status=404)


def _forbidden(request: HttpRequest, slug: str) -> HttpResponse:
    return render(request, "403.html", {"room_slug": slug}, status=403)
