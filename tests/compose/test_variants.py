"""The same system behind another proxy, with TLS, and as developers run it."""

import ssl
from collections.abc import Callable

import pytest

from tests.compose.clients import Client
from tests.compose.people import Person
from tests.compose.stack import Stack
from tests.servers import free_port, wait_until


@pytest.fixture
def run() -> Callable[..., Stack]:
    stacks: list[Stack] = []

    def run(*files: str, **environment: str) -> Stack:
        stacks.append(Stack(*files, **environment))
        stacks[-1].up("--build")
        return stacks[-1]

    yield run
    for stack in stacks:
        stack.remove()


def test_nginx_takes_the_place_of_caddy(run, sign_up: Callable[[Stack], Person]):
    stack = run("deploy/docker-compose.nginx.yml")

    alice, bob = sign_up(stack), sign_up(stack)

    alice.says_and_all_see(bob)
    assert Client(stack.url).get("/metrics").status == 404
    assert Client(stack.url).get("/accounts/login/", {"X-Forwarded-Proto": "https"}).status == 200


def test_https_follows_from_the_address_of_the_site(run, sign_up: Callable[[Stack], Person], tmp_path):
    """Caddy signs for localhost by itself; for a public name it would ask an authority."""
    port = free_port()
    stack = run(SITE_URL="https://localhost", HTTPS_PORT=str(port), HTTP_PORT=str(free_port()))
    stack.url = f"https://localhost:{port}"
    authority = tmp_path / "root.crt"
    authority.write_text(stack.inside("proxy", "cat", "/data/caddy/pki/authorities/local/root.crt"))

    client = Client(stack.url, ssl.create_default_context(cafile=str(authority)))

    def is_trusted() -> bool:
        try:
            return client.get("/accounts/login/").status == 200
        except OSError:
            return False

    wait_until(is_trusted, what="a certificate")  # Caddy signs it when it has started
    page = client.get("/accounts/login/")

    assert "max-age=31536000" in page.headers["Strict-Transport-Security"]
    assert all("Secure" in cookie for cookie in page.headers.get_all("Set-Cookie"))


def test_developers_get_the_source_and_a_reloading_server(run):
    stack = run("docker-compose.dev.yml")

    assert "reload" in stack.compose("logs", "web").lower()
    assert Client(stack.url).get("/static/css/index.css").status == 200


def test_the_tests_can_run_in_a_container():
    """The services of the profile are there; what they do is what `make test` does."""
    services = Stack().compose("--profile", "test", "config", "--services").split()

    assert "test" in services
