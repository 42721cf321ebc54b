"""Mistakes in the settings are told at start."""

import sys

import pytest
from django.core.checks import run_checks

from channels_core import checks
from channels_core.apps import ChannelsConfig


def found():
    """What the checks of the runtime say, by id."""
    messages = run_checks(tags=["channels_core"])
    assert all(message.hint and "\n" not in message.hint for message in messages)
    return [message.id.removeprefix("channels_core.") for message in messages]


def test_the_settings_of_the_project_are_in_order():
    assert found() == []


def test_the_app_is_called_channels():
    assert (ChannelsConfig.name, ChannelsConfig.verbose_name) == ("channels_core", "Channels")


def test_a_missing_asgi_application_is_a_warning(settings):
    """Servers that are given the application by name do without the setting."""
    del settings.ASGI_APPLICATION
    assert found() == ["W001"]


@pytest.mark.parametrize("path", [7, "", "nodots", ".application", "mysite.", "missing.asgi.application"])
def test_an_asgi_application_that_is_nowhere_is_an_error(settings, path):
    settings.ASGI_APPLICATION = path
    assert found() == ["E001"]


def test_the_asgi_application_is_looked_up_without_being_built(settings, monkeypatch):
    """Whatever builds it may be what is just starting."""
    monkeypatch.delitem(sys.modules, "mysite.asgi", raising=False)
    settings.ASGI_APPLICATION = "mysite.asgi.application"

    assert found() == []
    assert "mysite.asgi" not in sys.modules


@pytest.mark.parametrize(
    ("layers", "ids"),
    [
        ({}, []),
        ({"default": {"BACKEND": "channels_core.layers.InMemoryChannelLayer"}}, []),
        ([], ["E002"]),
        ({"default": "channels_core.layers.InMemoryChannelLayer"}, ["E002"]),
        ({"default": {}}, ["E002"]),
        ({"default": {"BACKEND": "missing.Layer"}}, ["E003"]),
        ({"default": {"BACKEND": "channels_core.layers.Missing"}, "other": {}}, ["E003", "E002"]),
        ({"default": {"BACKEND": "channels_core.layers.InMemoryChannelLayer", "ROUTING": "a.b"}}, ["E004"]),
    ],
)
def test_a_channel_layer_that_cannot_be_built_is_an_error(settings, layers, ids):
    settings.CHANNEL_LAYERS = layers
    assert found() == ids


def test_no_channel_layers_at_all_are_in_order(settings):
    del settings.CHANNEL_LAYERS
    assert found() == []


@pytest.mark.parametrize(("threads", "ids"), [(1, []), (4, []), (0, ["E005"]), (True, ["E005"]), ("4", ["E005"])])
def test_database_threads_are_a_positive_number(settings, threads, ids):
    settings.CHANNELS_DATABASE_THREADS = threads
    assert found() == ids


@pytest.mark.parametrize(("workers", "ids"), [("", []), ("1", []), ("3", ["E006"]), ("many", [])])
def test_several_workers_on_a_layer_in_memory_are_an_error(settings, monkeypatch, workers, ids):
    monkeypatch.setenv("WEB_CONCURRENCY", workers)
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels_core.layers.InMemoryChannelLayer"}}

    assert found() == ids


def test_several_workers_on_redis_are_in_order(settings, monkeypatch):
    monkeypatch.setenv("WEB_CONCURRENCY", "3")
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer"}}

    assert found() == []


@pytest.mark.parametrize(
    ("installed", "ids"),
    [({"uvicorn"}, ["W002"]), ({"uvicorn", "websockets"}, []), ({"uvicorn", "wsproto"}, []), (set(), [])],
)
def test_uvicorn_without_a_websocket_library_is_a_warning(monkeypatch, installed, ids):
    def find_spec(name):
        return object() if name in installed else None

    monkeypatch.setattr(checks, "find_spec", find_spec)

    assert [message.id for message in checks.check_websocket_library(None)] == [f"channels_core.{id}" for id in ids]


ASGI_MODULE = """
import os
{before}
from django.core.asgi import get_asgi_application
django_application = get_asgi_application()
import chat.consumers
application = None
"""


@pytest.mark.parametrize(
    ("before", "ids"),
    [
        ("", []),
        ("from channels_core.auth import AuthMiddlewareStack", []),
        ("from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler", []),
        ("from chat.routing import websocket_urlpatterns", ["W003"]),
        ("import chat.routing", ["W003"]),
        ("from django.contrib.auth.models import User", ["W003"]),
    ],
)
def test_imports_that_come_before_the_apps_are_loaded_are_a_warning(settings, monkeypatch, tmp_path, before, ids):
    (tmp_path / "orderly.py").write_text(ASGI_MODULE.format(before=before))
    monkeypatch.syspath_prepend(tmp_path)
    settings.ASGI_APPLICATION = "orderly.application"

    assert found() == ids
    assert "orderly" not in sys.modules


def test_daphne_behind_staticfiles_is_found_by_daphne_itself(settings):
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "daphne"] + ["daphne"]

    assert "daphne.E001" in [message.id for message in run_checks()]
