"""What people fill in."""

import zoneinfo
from typing import Any, Self
from uuid import uuid4

from django import forms
from django.contrib.auth.forms import UserCreationForm
from django.core.exceptions import ValidationError

from .models import Room, User


class SignUpForm(UserCreationForm):
    """A new account. The address is optional: without one a forgotten password cannot be reset by mail."""

    class Meta(UserCreationForm.Meta):
        model = User
        fields = ("username", "email")
        labels = {"email": "Email (optional)"}
        help_texts = {
            "username": "Letters, digits and @ . + - _",
            "email": "Only used to reset a forgotten password.",
        }


class ProfileForm(forms.ModelForm):
    """How others see me, and where I am."""

    time_zone = forms.ChoiceField(choices=lambda: [(name, name) for name in sorted(zoneinfo.available_timezones())])

    class Meta:
        model = User
        fields = ("display_name", "email", "time_zone")
        labels = {"display_name": "Name"}
        help_texts = {
            "display_name": "What others read beside your messages. Left empty, it is your user name.",
            "email": "Only used to reset a forgotten password.",
        }


class RoomForm(forms.ModelForm):
    """A new room; rooms.create_room gives it its address."""

    kind = forms.ChoiceField(
        choices=[
            (Room.Kind.PUBLIC, "Public – everybody can find and join it"),
            (Room.Kind.PRIVATE, "Private – only people who are added see it"),
        ],
        initial=Room.Kind.PUBLIC,
        widget=forms.RadioSelect,
        label="Who can join",
    )

    class Meta:
        model = Room
        fields: tuple[str, ...] = ("name", "topic", "kind")
        labels = {"topic": "Topic (optional)"}
        help_texts = {"topic": "One line on what belongs here."}


class RoomSettingsForm(RoomForm):
    """What the owner can change. It is bound to no room: what is refused must not show in the page around it."""

    class Meta(RoomForm.Meta):
        fields = ("name", "topic", "kind", "archived")
        labels = {"topic": "Topic (optional)", "archived": "Archived"}
        help_texts = {
            "topic": "One line on what belongs here.",
            "archived": "It can be read, but nobody can write in it until you open it again.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["kind"].help_text = "Whoever joins can read what was said before."

    @classmethod
    def of(cls, room: Room) -> Self:
        """The form as the room is now."""
        return cls(initial={name: getattr(room, name) for name in cls.Meta.fields})


class RoomDeletionForm(forms.Form):
    """The name of the room that is to go, so that no other one goes by mistake."""

    name = forms.CharField(
        label="Name of the room",
        help_text="Type it to show that you mean this room.",
        widget=forms.TextInput({"autocapitalize": "none", "autocomplete": "off"}),
    )

    def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._name = name

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name.casefold() != self._name.strip().casefold():
            raise ValidationError("This is not the name of the room.", code="invalid")
        return name


class MemberForm(forms.Form):
    """Somebody to let into a private room."""

    username = forms.CharField(
        max_length=150, label="User name", widget=forms.TextInput({"autocapitalize": "none", "autocomplete": "off"})
    )


class MessageForm(forms.Form):
    """The composer without script. Its id makes a form that is sent twice one message."""

    client_id = forms.UUIDField(initial=uuid4, widget=forms.HiddenInput)
    text = forms.CharField(required=False, strip=False)
