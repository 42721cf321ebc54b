# Stages: packages -> build -> the last one, which runs; packages -> test; wheels, for building offline.

FROM python:3.13-slim AS base
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /app


FROM base AS packages
# pip stays outside, so that the environment that is copied on has none.
RUN python -m venv --without-pip /venv
# Where there is a folder wheels/ (see the stage below), pip takes everything from it and asks no index.
COPY requirements.txt wheel[s] /wheels/
RUN if ls /wheels/*.whl >/dev/null 2>&1; then \
        pip config set global.no-index true && pip config set global.find-links /wheels; \
    fi
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --disable-pip-version-check --python /venv/bin/python install -r /wheels/requirements.txt


FROM packages AS build
COPY . .
RUN rm -rf .[!.]* deploy docker-compose* Dockerfile docs tests wheels
# With hashed names, compressed. The secret is asked for, but signs nothing that is kept.
RUN DEBUG=0 SECRET_KEY=$(python -c 'import secrets; print(secrets.token_urlsafe(50))') \
    python manage.py collectstatic --noinput --verbosity 0 && rm -rf var
# Compiled here, because the root file system is read-only where it runs.
RUN python -m compileall -q .


# The tests, with the programs that they start: docker compose --profile test run --rm --build test
FROM packages AS test
RUN apt-get update && apt-get install -y --no-install-recommends chromium git nodejs postgresql redis-server \
    && rm -rf /var/lib/apt/lists/*
COPY requirements-dev.txt /wheels/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --disable-pip-version-check --python /venv/bin/python install -r /wheels/requirements-dev.txt
ARG UID=1000 GID=1000
RUN echo "app:x:$GID:" >>/etc/group && echo "app:x:$UID:$GID::/home/app:/bin/sh" >>/etc/passwd \
    && install -d -o $UID -g $GID /app /home/app && ln -s /venv .venv
USER $UID:$GID
COPY --chown=$UID:$GID . .
CMD ["scripts/test"]


# docker build --target wheels --output wheels .
FROM base AS download
COPY requirements.txt requirements-dev.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --disable-pip-version-check wheel --wheel-dir /wheels -r requirements.txt -r requirements-dev.txt

FROM scratch AS wheels
COPY --from=download /wheels /


FROM base
# Numbers that may belong to nobody else: those of the person who mounts a folder, say.
ARG UID=1000 GID=1000
RUN echo "app:x:$GID:" >>/etc/group && echo "app:x:$UID:$GID::/tmp:/usr/sbin/nologin" >>/etc/passwd
COPY --from=build /venv /venv
COPY --from=build /app /app
# All that it writes and keeps: a secret, uploads.
RUN install -d -o $UID -g $GID var
VOLUME /app/var
USER $UID:$GID
ENV DEBUG=0 BIND=0.0.0.0:8000 SECRET_KEY_FILE=/app/var/secret_key PYTHONDONTWRITEBYTECODE=1
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --retries=3 --start-period=60s --start-interval=1s \
    CMD python -c "from http.client import HTTPConnection as Line; \
        line = Line('127.0.0.1', 8000, timeout=4); \
        line.request('GET', '/readyz'); \
        raise SystemExit(line.getresponse().status != 200)"
# Everything that is logged goes to the standard output.
CMD ["sh", "-c", "exec gunicorn 2>&1"]
