"""``manage.py seed_demo``: people, rooms and conversations to look at. Running it again changes nothing."""

from datetime import timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from django.core.management.base import BaseCommand
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from chat import services
from chat.demo import BUILD_LOG, CONVERSATIONS, PASSWORD, PEOPLE, ROOMS, UNREAD, Line
from chat.models import Membership, Message, Room, User


class Command(BaseCommand):
    help = "Add demo people, rooms and conversations, and print the log-ins. Safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            people = {username: self._person(username, name) for username, name in PEOPLE.items()}
            for slug, (name, topic, kind, members) in ROOMS.items():
                room = self._room(slug, name, topic, kind)
                for place, username in enumerate(members):
                    role = Membership.Role.OWNER if place == 0 else Membership.Role.MEMBER
                    room.memberships.get_or_create(user=people[username], defaults={"role": role})
                self._converse(room, people, [*CONVERSATIONS.get(slug, ()), *(BUILD_LOG if slug == "builds" else ())])
        self.stdout.write("Demo people (the password of each is " + self.style.SUCCESS(PASSWORD) + "):")
        for username, name in PEOPLE.items():
            self.stdout.write(f"  {username:<8} {name}")

    def _person(self, username: str, name: str) -> User:
        colour = list(PEOPLE).index(username) * 5 % 12
        person, is_new = User.objects.get_or_create(
            username=username, defaults={"display_name": name, "colour": colour, "email": f"{username}@example.org"}
        )
        if is_new:
            person.set_password(PASSWORD)
            person.save(update_fields=["password"])
        return person

    def _room(self, slug: str, name: str, topic: str, kind: str) -> Room:
        room, is_new = Room.objects.get_or_create(slug=slug, defaults={"name": name, "topic": topic, "kind": kind})
        if not is_new and not room.topic:  # the lobby that the migrations make
            room.topic = topic
            room.save(update_fields=["topic"])
        return room

    def _converse(self, room: Room, people: dict[str, User], lines: list[Line]) -> None:
        """Post the lines through the service, then move them back to when they were said."""
        drafts = [
            services.Draft(
                room.pk, people[line.username].pk, uuid5(NAMESPACE_URL, f"demo:{room.slug}:{number}"), line.text
            )
            for number, line in enumerate(lines)
        ]
        known = set(Message.objects.filter(room=room).values_list("client_id", flat=True))
        if all(draft.client_id in known for draft in drafts):
            return
        now = timezone.now()
        posted: list[Message] = []
        for line, message in zip(lines, services.post_messages(drafts), strict=True):
            if not isinstance(message, Message):
                raise message
            if message.client_id not in known:
                message.created = now - timedelta(minutes=line.minutes_ago)
                posted.append(message)
        Message.objects.bulk_update(posted, ["created"])
        room.refresh_from_db()
        room.last_posted = room.messages.aggregate(newest=Max("created"))["newest"]
        room.save(update_fields=["last_posted"])
        room.memberships.filter(user__in=people.values()).update(last_read=max(0, room.last_seq - UNREAD))
