"""Rules that read: what a person may see, in as few queries as it takes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Lower

from .events import MAX_CHANGES, MAX_PAGE_SIZE, PAGE_SIZE
from .models import Ban, Membership, Message, Room, User


@dataclass(frozen=True, slots=True)
class Page:
    """Messages that follow each other, oldest first. ``more``: older ones exist. ``head``: the room's, when read."""

    messages: Sequence[Message]
    more: bool
    head: int


class Person(NamedTuple):
    """What others see of somebody."""

    pk: int
    name: str
    colour: int


def place_in(user: User, slug: str) -> tuple[Room | None, Membership | None]:
    """The room of that address and the user's place in it, each None where there is none."""
    place = Membership.objects.select_related("room").filter(user=user, room__slug=slug).first()
    return (place.room, place) if place else (Room.objects.filter(slug=slug).first(), None)


def page_of(room: Room, *, before: int | None = None, limit: int = PAGE_SIZE) -> Page:
    """
    The newest ``limit`` messages of a room, or the ones before the place ``before``.

    One statement reads the messages and the room's head, so that they fit each other.
    """
    rows = Message.objects.filter(room=room).select_related("author").annotate(room_head=F("room__head"))
    if before is not None:
        rows = rows.filter(seq__lt=before)
    limit = min(limit, MAX_PAGE_SIZE)
    found = list(rows.order_by("-seq")[: limit + 1])
    if found:
        head = found[0].room_head
    else:
        # A room without messages has no changes; a page before the first message still has a room with a head,
        # unless it has just been deleted: then whoever reads here is put out of it, and that is not told by an error.
        head = 0 if before is None else heads([room.pk]).get(room.pk, 0)
    return Page(messages=found[:limit][::-1], more=len(found) > limit, head=head)


def changes_of(room_id: int, since: int) -> Page:
    """
    What has changed in a room since its change number ``since``: messages in their current state, by version.

    ``head`` is how far they reach: the room's head, unless there is ``more`` than fits.
    """
    rows = Message.objects.filter(room=room_id, version__gt=since).select_related("author")
    found = list(rows.annotate(room_head=F("room__head")).order_by("version")[: MAX_CHANGES + 1])
    changed = found[:MAX_CHANGES]
    if len(found) > MAX_CHANGES:
        return Page(messages=changed, more=True, head=changed[-1].version)
    # What is committed between the two statements was not read.
    head = found[0].room_head if found else min(since, heads([room_id]).get(room_id, 0))
    return Page(messages=changed, more=False, head=head)


def resumed(room: Room, since: int) -> Page | None:
    """All that has changed since then; None if that is more than is worth sending, or a number that never was."""
    changes = changes_of(room.pk, since)
    return None if changes.more or since > changes.head else changes


def history_for(user: User, room: Room, *, before: int | None, limit: int) -> Page:
    """
    ``page_of`` for somebody who asks.

    Raises:
        ValidationError: code ``not_a_member``: they have left meanwhile.
    """
    require_member(user, room)
    return page_of(room, before=before, limit=limit)


def changes_for(user: User, room: Room, *, since: int) -> Page:
    """
    ``changes_of`` for somebody who asks.

    Raises:
        ValidationError: code ``not_a_member``: they have left meanwhile.
    """
    require_member(user, room)
    return changes_of(room.pk, since)


def require_member(user: User, room: Room) -> None:
    """``ValidationError`` with the code ``not_a_member`` for who is none."""
    if not room.memberships.filter(user=user).exists():
        raise ValidationError("Only members of a room can read it.", code="not_a_member")


def heads(room_ids: Iterable[int]) -> dict[int, int]:
    """The number of the last change of each room, in one query."""
    return dict(Room.objects.filter(pk__in=room_ids).values_list("pk", "head"))


def positions(room_ids: Iterable[int]) -> dict[int, tuple[int, int]]:
    """The number of the last change and the place of the last message of each room, in one query."""
    rows = Room.objects.filter(pk__in=room_ids).values_list("pk", "head", "last_seq")
    return {room_id: (head, last_seq) for room_id, head, last_seq in rows}


def activity_of(room_id: int) -> tuple[str, int]:
    """The address of a room, and the place of its last message; ``"", 0`` of one that has been deleted."""
    return Room.objects.filter(pk=room_id).values_list("slug", "last_seq").first() or ("", 0)


def people(ids: Iterable[int]) -> list[Person]:
    """Those of the people with these keys who exist, by name."""
    # Plain rows: in a large room everybody who joins is told of thousands.
    rows = User.objects.filter(pk__in=ids).values_list("pk", "display_name", "username", "colour")
    found = [Person(pk, display_name or username, colour) for pk, display_name, username, colour in rows]
    return sorted(found, key=lambda person: person.name.casefold())


def rooms_of(user: User) -> QuerySet[Membership]:
    """The places of a person, for the sidebar, by the rooms' names as people sort them."""
    return Membership.objects.filter(user=user).select_related("room").order_by(Lower("room__name"), "room__pk")


def public_rooms(user: User, search: str = "") -> QuerySet[Room]:
    """Public rooms, the most recently active first, each with ``member_count`` and whether the user ``is_member``."""
    rooms = Room.objects.filter(kind=Room.Kind.PUBLIC)
    if search:
        rooms = rooms.filter(Q(name__icontains=search) | Q(topic__icontains=search))
    return rooms.annotate(
        member_count=Count("memberships"),
        is_member=Exists(Membership.objects.filter(room=OuterRef("pk"), user=user)),
    ).order_by(F("last_posted").desc(nulls_last=True), "name", "pk")


def members_of(room: Room, limit: int = 200) -> list[Membership]:
    """People of a room: owners and moderators first, then by name."""
    # Sorted as words, descending: owner, moderator, member.
    return list(room.memberships.select_related("user").order_by("-role", "user__username")[:limit])


def bans_of(room: Room) -> QuerySet[Ban]:
    """Who may not come into a room, the last one banned first."""
    return room.bans.select_related("user", "by").order_by("-created", "-pk")
