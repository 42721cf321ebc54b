"""
Rules that write who is where: rooms, and who belongs to them.

As in ``services``: each checks access itself, is safe to repeat, and a refusal is a ``ValidationError`` or
``PermissionDenied``.
"""

from secrets import token_hex

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.utils.text import slugify

from .models import Ban, Membership, Room, User

RESERVED_SLUGS = {"new"}  # /rooms/new/ is the form
BANNED = "You were banned from this room. Whoever runs it can lift the ban."


def create_room(*, owner: User, name: str, topic: str = "", kind: str = Room.Kind.PUBLIC) -> Room:
    """
    A new room with its owner in it.

    Raises:
        ValidationError: a name or topic that cannot be, or a kind other than public and private.
    """
    _require_kind(kind)
    stem = slugify(name)[:48].strip("-") or "room"
    slug = stem
    while True:
        # The first of a name gets it as its address; of two at the same moment the constraint picks one.
        if slug not in RESERVED_SLUGS and not Room.objects.filter(slug=slug).exists():
            room = Room(slug=slug, name=name, topic=topic, kind=kind)
            room.full_clean(validate_unique=False)  # the constraint does that, below
            try:
                with transaction.atomic():
                    room.save()
                    Membership.objects.create(room=room, user=owner, role=Membership.Role.OWNER)
                return room
            except IntegrityError:
                if not Room.objects.filter(slug=slug).exists():
                    raise
        slug = f"{stem}-{token_hex(3)}"


def join_room(*, user: User, room: Room) -> Membership:
    """
    Make somebody a member of a public room; a member stays what they are.

    Raises:
        PermissionDenied: the user is no member, and the room is not public or they are banned from it.
        Room.DoesNotExist: it has been deleted meanwhile.
    """
    place = room.memberships.filter(user=user).first()
    if place:
        return place
    with transaction.atomic():
        room = _locked(room)  # or a ban, or a change to a private room, could come in between
        if room.kind != Room.Kind.PUBLIC:
            raise PermissionDenied("Only public rooms can be joined; ask a member to add you.")
        if room.bans.filter(user=user).exists():
            raise PermissionDenied(BANNED)
        return _place_for(user, room)


def leave_room(*, user: User, room: Room) -> None:
    """
    End a membership. An owner's place goes to the moderator, else the member, who has been there longest.

    Raises:
        Room.DoesNotExist: it has been deleted meanwhile.
    """
    with transaction.atomic():
        room = _locked(room)  # two owners leaving at once see each other
        membership = room.memberships.filter(user=user).first()
        if membership is None:
            return
        membership.delete()
        if membership.role == Membership.Role.OWNER and not room.memberships.filter(role=membership.role).exists():
            # "moderator" sorts after "member".
            heir = room.memberships.order_by("-role", "joined", "pk").first()
            if heir:
                heir.role = Membership.Role.OWNER
                heir.save(update_fields=["role"])


def add_member(*, actor: User, room: Room, username: str) -> Membership:
    """
    Let somebody into a private room.

    Raises:
        PermissionDenied: the actor is neither owner nor moderator of a private room.
        ValidationError: nobody has that user name, or they are banned from the room.
    """
    with transaction.atomic():
        room, place = _locked_for(actor, room)
        if place is None or not place.may_invite:
            raise PermissionDenied("Only the owner and moderators of a private room can add people.")
        user = User.objects.filter(username__iexact=username.strip(), is_active=True).first()
        if user is None:
            raise ValidationError({"username": "Nobody here has this user name."}, code="invalid")
        if room.bans.filter(user=user).exists():
            refusal = f"{user.name} is banned from this room. Lift the ban first, in the room's settings."
            raise ValidationError({"username": refusal}, code="banned")
        return _place_for(user, room)


def remove_member(*, actor: User, room: Room, user: User) -> None:
    """
    Send somebody away. Into a public room they can come back; ``ban_member`` keeps them out.

    Raises:
        PermissionDenied: the actor does not run the room, or not above that person: owners send away everybody but
            owners, moderators only plain members, and nobody themselves.
    """
    with transaction.atomic():
        room, place = _locked_for(actor, room)
        _send_away(place, room, user)


def ban_member(*, actor: User, room: Room, user: User) -> Ban:
    """
    Send somebody away and keep them out, until ``unban_member``; also somebody who has left already.

    Raises:
        PermissionDenied: as ``remove_member``.
    """
    with transaction.atomic():
        room, place = _locked_for(actor, room)
        _send_away(place, room, user)
        ban, _ = room.bans.get_or_create(user=user, defaults={"by": actor})
    return ban


def unban_member(*, actor: User, room: Room, user: User) -> None:
    """
    Let somebody come in again. It does not bring them back by itself.

    Raises:
        PermissionDenied: the actor is neither owner nor moderator.
    """
    with transaction.atomic():
        room, place = _locked_for(actor, room)
        _require_moderator(place)
        room.bans.filter(user=user).delete()


def set_role(*, actor: User, room: Room, user: User, role: str) -> Membership:
    """
    Make a member a moderator, or a moderator a plain member again. An owner's place goes on when they leave.

    Raises:
        PermissionDenied: the actor is not the owner, or that person is an owner too.
        ValidationError: that person is not in the room, or there is no such role to give.
    """
    with transaction.atomic():
        room, place = _locked_for(actor, room)
        place = _require_owner(place, "Only the owner of a room says who moderates it.")
        if role not in (Membership.Role.MODERATOR, Membership.Role.MEMBER):
            raise ValidationError({"role": "Expected moderator or member."}, code="invalid")
        other = room.memberships.select_related("user").filter(user=user).first()
        if other is None:
            raise ValidationError("This person is not in the room any more.", code="not_a_member")
        if not place.outranks(other):
            raise PermissionDenied("An owner stays one until they leave the room.")
        if other.role != role:
            other.role = role
            other.save(update_fields=["role"])
    return other


def change_room(
    *,
    actor: User,
    room: Room,
    name: str | None = None,
    topic: str | None = None,
    kind: str | None = None,
    archived: bool | None = None,
) -> Room:
    """
    The room with what is given changed, and the rest as it was. Its address stays.

    Raises:
        PermissionDenied: the actor is not the owner.
        ValidationError: a name or topic that cannot be, or a kind other than public and private.
    """
    with transaction.atomic():
        room, place = _locked_for(actor, room)
        _require_owner(place, "Only the owner of a room can change it.")
        if kind is not None:
            _require_kind(kind)
        wanted = {"name": name, "topic": topic, "kind": kind, "archived": archived}
        changed = [field for field, value in wanted.items() if value is not None and value != getattr(room, field)]
        for field in changed:
            setattr(room, field, wanted[field])
        if changed:
            room.full_clean(validate_unique=False)
            room.save(update_fields=changed)  # not its numbers
    return room


def delete_room(*, actor: User, room: Room) -> None:
    """
    Delete a room with all that was said in it.

    Raises:
        PermissionDenied: the actor is not the owner.
        Room.DoesNotExist: it is gone already.
    """
    with transaction.atomic():
        room, place = _locked_for(actor, room)
        _require_owner(place, "Only the owner of a room can delete it.")
        room.delete()


def _locked(room: Room) -> Room:
    """The room as it is now; nobody else changes who is in it, or posts, until the transaction ends."""
    return Room.objects.select_for_update().get(pk=room.pk)


def _locked_for(actor: User, room: Room) -> tuple[Room, Membership | None]:
    """The locked room and the actor's place in it. A direct conversation is nobody's to run."""
    room = _locked(room)
    if room.kind == Room.Kind.DIRECT:
        return room, None
    place = Membership.objects.filter(room=room, user=actor.pk, user__is_active=True).first()
    if place:
        place.room = room
    return room, place


def _require_moderator(place: Membership | None) -> Membership:
    if place is None or not place.may_moderate:
        raise PermissionDenied("Only the owner and moderators of a room can do that.")
    return place


def _require_owner(place: Membership | None, refusal: str) -> Membership:
    if place is None or not place.may_manage:
        raise PermissionDenied(refusal)
    return place


def _require_kind(kind: str) -> None:
    if kind not in (Room.Kind.PUBLIC, Room.Kind.PRIVATE):
        raise ValidationError({"kind": "Expected public or private."}, code="invalid")


def _send_away(place: Membership | None, room: Room, user: User) -> None:
    place = _require_moderator(place)
    if user.pk == place.user_id:
        raise PermissionDenied("To go yourself, leave the room.")
    other = room.memberships.filter(user=user).first()
    if other:
        if not place.outranks(other):
            raise PermissionDenied("Only the owner can send moderators away, and nobody the owner.")
        other.delete()


def _place_for(user: User, room: Room) -> Membership:
    # What was said before is not new to them.
    membership, _ = room.memberships.get_or_create(user=user, defaults={"last_read": room.last_seq})
    return membership
