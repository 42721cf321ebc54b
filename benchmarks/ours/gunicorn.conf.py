"""As the project's own gunicorn.conf.py, without what belongs to the chat."""

import os

wsgi_app = "benchmarks.ours.asgi:application"
worker_class = "channels_core.servers.gunicorn.Worker"
bind = f"127.0.0.1:{os.environ['PORT']}"
workers = int(os.environ["WORKERS"])
reuse_port = workers > 1
keepalive = 75
control_socket_disable = True
loglevel = "warning"
