"""Signing in and out as a browser does it, for tests of accounts."""

from django.test import Client

from tests.people import PASSWORD

NEW_PASSWORD = "staple battery horse correct"


def is_signed_in(client: Client) -> bool:
    return client.get("/rooms/").status_code == 200


def log_in(client: Client, username: str = "alice", password: str = PASSWORD, **fields: str):
    """Send the form of the log-in, and return the answer."""
    return client.post("/accounts/login/", {"username": username, "password": password} | fields)


def errors(response) -> dict[str, list[str]]:
    """What a page complains of, by the field of its form."""
    return dict(response.context["form"].errors)
