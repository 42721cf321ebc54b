"""gunicorn.conf.py: what of the environment reaches gunicorn, and what it leaves behind."""

import os
import re
import runpy
from pathlib import Path

import pytest

from tests.production import ROOT
from tests.servers import wait_until


@pytest.fixture
def load(monkeypatch, tmp_path):
    """Read it, with these variables in the environment, as a dict."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))

    def load(**environment: str) -> dict:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(str(ROOT / "gunicorn.conf.py"))

    return load


def test_by_default_one_worker_listens_to_this_machine_and_believes_it(load):
    loaded = load()

    assert (loaded["bind"], loaded["workers"], loaded["reuse_port"]) == ("127.0.0.1:8000", 1, False)
    assert loaded["forwarded_allow_ips"] == "127.0.0.1"
    assert loaded["control_socket_disable"] is True


def test_the_environment_says_otherwise(load):
    loaded = load(BIND="0.0.0.0:9000", WEB_CONCURRENCY="3", FORWARDED_ALLOW_IPS="10.0.0.0/8")

    assert (loaded["bind"], loaded["workers"]) == ("0.0.0.0:9000", 3)
    assert loaded["forwarded_allow_ips"] == "10.0.0.0/8"


def test_a_format_that_there_is_not_is_refused_in_a_sentence(load):
    with pytest.raises(SystemExit, match=r"^Wrong settings: LOG_FORMAT must be one of plain, json, but is 'xml'\.$"):
        load(LOG_FORMAT="xml")


def test_workers_share_their_numbers_in_a_directory_that_goes_with_the_server(load, monkeypatch):
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR")
    loaded = load()
    assert "PROMETHEUS_MULTIPROC_DIR" not in os.environ  # it may yet turn out that gunicorn cannot start

    loaded["on_starting"](None)
    directory = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    assert directory.is_dir()

    loaded["on_exit"](None)
    assert not directory.exists()


@pytest.mark.skipif(
    not Path("/proc/net/tcp").exists(), reason="Only Linux tells who listens, and shares a port evenly."
)
def test_each_of_several_workers_has_a_listener_of_its_own(production):
    """With one for all, the worker that wakes up first takes more."""
    listening = re.compile(rf"^ *\d+: 0100007F:{production.port:04X} 00000000:0000 0A ", re.MULTILINE)

    wait_until(lambda: len(listening.findall(Path("/proc/net/tcp").read_text())) == 2, what="two listeners")
