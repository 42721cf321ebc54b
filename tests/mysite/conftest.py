"""What is served in production, for tests that ask it from outside."""

import pytest

from tests.production import Production

TOKEN = "let-me-see"


@pytest.fixture(scope="session")
def production(tmp_path_factory, redis_server):
    """gunicorn as the project sets it up, with two workers, and with the consumers of a workshop for the chat's."""
    server = Production(
        "tests.channels_core.servers.workshop:application",
        WORKSHOP=str(tmp_path_factory.mktemp("workshop")),
        WEB_CONCURRENCY="2",
        REDIS_URL=redis_server.url,
        METRICS_TOKEN=TOKEN,
        LOG_FORMAT="json",
    )
    server.start()
    yield server
    server.remove()
