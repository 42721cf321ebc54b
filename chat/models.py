"""What is stored: people, rooms, who belongs to a room, and what was said in it."""

import random
import uuid
import zoneinfo
from importlib import import_module

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils import timezone

from .validators import validate_single_line

COLOURS = 12  # the palette in static/css/components/avatar.css


def random_colour() -> int:
    return random.randrange(COLOURS)


def validate_time_zone(name: str) -> None:
    """Accept the names of the IANA time zone database, such as ``Europe/Vienna``."""
    if name not in zoneinfo.available_timezones():
        raise ValidationError(f"Expected a time zone such as Europe/Vienna, but got {name!r}.", code="invalid")


class User(AbstractUser):
    """A person who can log in."""

    display_name = models.CharField(max_length=60, blank=True, validators=[validate_single_line])
    colour = models.PositiveSmallIntegerField(default=random_colour, editable=False)
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_time_zone])

    class Meta(AbstractUser.Meta):
        constraints = [
            # Nobody passes for alice by signing up as Alice.
            models.UniqueConstraint(
                Lower("username"), name="user_username_ignoring_case", violation_error_message="This name is taken."
            ),
        ]

    @property
    def name(self) -> str:
        """What others read: the chosen name, else the one for logging in."""
        return self.display_name or self.username


class Session(AbstractBaseSession):
    """
    Somebody's browser, as Django's own sessions, with a name that stays the same when the key changes.

    Django changes the key at a log-in and with a new password; open sockets still know the one before.
    """

    family = models.CharField(max_length=32, db_index=True)

    @classmethod
    def get_session_store_class(cls) -> type[SessionBase]:
        store: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore
        return store


class Room(models.Model):
    """
    A place to talk.

    ``head`` is the number of the room's last durable change and ``last_seq`` the place of its last
    message. Both grow without gaps and in commit order, because every change takes its number under
    the lock of this row, in its own transaction (``advance``).
    """

    class Kind(models.TextChoices):
        PUBLIC = "public"
        PRIVATE = "private"
        DIRECT = "direct"

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=60, validators=[validate_single_line])
    topic = models.CharField(max_length=200, blank=True, validators=[validate_single_line])
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.PUBLIC)
    archived = models.BooleanField(default=False, help_text="Read-only: nobody can post any more.")
    head = models.PositiveBigIntegerField(default=0, editable=False)
    last_seq = models.PositiveBigIntegerField(default=0, editable=False)
    last_posted = models.DateTimeField(null=True, editable=False)
    created = models.DateTimeField(default=timezone.now, editable=False)
    members = models.ManyToManyField(settings.AUTH_USER_MODEL, through="Membership", related_name="rooms")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(last_seq__lte=F("head")), name="room_posts_are_changes"),
            models.CheckConstraint(condition=Q(kind__in=["public", "private", "direct"]), name="room_kind_is_known"),
        ]
        indexes = [models.Index(fields=["kind", "-last_posted"], name="room_by_activity")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("chat:room", args=[self.slug])

    @property
    def socket_path(self) -> str:
        return f"/ws/rooms/{self.slug}/"

    def advance(self) -> int:
        """The number of the next change. The caller holds this row's lock and saves ``head`` with the change."""
        self.head += 1
        return self.head


class Membership(models.Model):
    """Somebody's place in a room: access, role and how far they have read, in one row."""

    class Role(models.TextChoices):
        OWNER = "owner"
        MODERATOR = "moderator"
        MEMBER = "member"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    room = models.ForeignKey(Room, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role, default=Role.MEMBER)
    last_read = models.PositiveBigIntegerField(default=0)
    muted = models.BooleanField(default=False)
    joined = models.DateTimeField(default=timezone.now, editable=False)

    # Whether the reader of a page may send this person away; not stored, the view sets it.
    is_below = False

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["room", "user"], name="membership_once_per_room"),
            models.CheckConstraint(
                condition=Q(role__in=["owner", "moderator", "member"]), name="membership_role_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.room}"

    @property
    def unread(self) -> int:
        """How many messages of the room this person has not read."""
        return max(0, self.room.last_seq - self.last_read)

    @property
    def may_moderate(self) -> bool:
        """Whether this person may delete what others have said."""
        return self.role != self.Role.MEMBER

    @property
    def may_manage(self) -> bool:
        """Whether this person may change and delete the room and say who moderates it."""
        return self.role == self.Role.OWNER

    def outranks(self, other: "Membership") -> bool:
        """Whether this person may send the other one away: an owner everybody but owners, a moderator plain members."""
        ranks = (self.Role.MEMBER, self.Role.MODERATOR, self.Role.OWNER)
        return ranks.index(self.Role(self.role)) > ranks.index(self.Role(other.role))

    @property
    def may_invite(self) -> bool:
        """Whether this person lets others into the room: in private rooms the owner and moderators."""
        return self.room.kind == Room.Kind.PRIVATE and self.may_moderate


class Ban(models.Model):
    """Somebody who may not come into a room again until the ban is lifted."""

    room = models.ForeignKey(Room, models.CASCADE, related_name="bans")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="bans")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    created = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["room", "user"], name="ban_once_per_room")]

    def __str__(self) -> str:
        return f"{self.user} banned from {self.room}"


class Message(models.Model):
    """
    What somebody said in a room, in its current state.

    ``seq`` is its place in the room, ``version`` the room's head at its last change. A deleted
    message stays as a row without its text, so that those who were away learn of it.
    """

    # Both keys lead an index of the constraints below; one more of each would only have to be kept up.
    room = models.ForeignKey(Room, models.CASCADE, related_name="messages", db_index=False)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="messages", db_index=False
    )
    seq = models.PositiveBigIntegerField()
    version = models.PositiveBigIntegerField()
    client_id = models.UUIDField(default=uuid.uuid4, help_text="Made by the sender: a repeated post stays one message.")
    text = models.TextField()
    html = models.TextField(editable=False)
    created = models.DateTimeField(default=timezone.now)
    edited = models.DateTimeField(null=True, blank=True)
    deleted = models.DateTimeField(null=True, blank=True)

    # Its place among its neighbours on a page; not stored, the view sets them.
    starts_day = False
    continues = False

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["room", "seq"], name="message_seq_once_per_room"),
            models.UniqueConstraint(fields=["author", "room", "client_id"], name="message_client_id_once"),
            models.CheckConstraint(condition=Q(seq__lte=F("version")), name="message_version_from_seq_on"),
            models.CheckConstraint(
                condition=Q(deleted__isnull=True) | Q(text="", html=""), name="message_deleted_without_text"
            ),
        ]
        indexes = [models.Index(fields=["room", "version"], name="message_changes_of_room")]

    def __str__(self) -> str:
        return f"{self.room_id}/{self.seq}"
