"""The production server; `gunicorn` alone reads this and starts it. Variables: see .env.example."""

import os
import resource
import shutil
import sys
import tempfile
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from mysite import environment, logs

env = environment.read()

wsgi_app = "mysite.asgi:application"
worker_class = "channels_core.servers.gunicorn.Worker"
bind = env.str("BIND", default="127.0.0.1:8000")
workers = env.int("WEB_CONCURRENCY", default=1)
# Each worker gets a listener of its own, and the kernel spreads connections evenly. With one listener for all,
# whoever wakes up first takes more.
reuse_port = workers > 1 and sys.platform == "linux"
forwarded_allow_ips = env.str("FORWARDED_ALLOW_IPS", default="127.0.0.1")
keepalive = 75  # seconds; longer than a proxy keeps idle connections, or it would send into a closing one
graceful_timeout = 15  # seconds: what channels_core.servers.uvicorn takes to drain, at most
control_socket_disable = True  # it would be written beside the code, which is read-only in a container
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # a heartbeat must not wait for a disk
try:
    logconfig_dict = logs.config(env.str("LOG_FORMAT", default="plain"), env.str("LOG_LEVEL", default="INFO").upper())
except ImproperlyConfigured as error:
    sys.exit(f"Wrong settings: {error}")

# Each socket is an open file, and the soft limit is often 1024.
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


def on_starting(server: Any) -> None:
    """Make a place where workers share their metrics, before the first of them loads prometheus-client."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="metrics-", dir=worker_tmp_dir)


def child_exit(server: Any, worker: Any) -> None:
    """The numbers of a worker that has gone stay in the sums; its state does not."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(server: Any) -> None:
    shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
