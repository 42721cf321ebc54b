"""What people fill in."""

import zoneinfo
from uuid import uuid4

from django import forms
from django.contrib.auth.forms import UserCreationForm

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
    """A new room; services.create_room gives it its address."""

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
        fields = ("name", "topic", "kind")
        labels = {"topic": "Topic (optional)"}
        help_texts = {"topic": "One line on what belongs here."}


class MemberForm(forms.Form):
    """Somebody to let into a private room."""

    username = forms.CharField(
        max_length=150, label="User name", widget=forms.TextInput({"autocapitalize": "none", "autocomplete": "off"})
    )


class MessageForm(forms.Form):
    """The composer without script. Its id makes a form that is sent twice one message."""

    client_id = forms.UUIDField(initial=uuid4, widget=forms.HiddenInput)
    text = forms.CharField(required=False, strip=False)
