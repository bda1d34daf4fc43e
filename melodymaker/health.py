"""Health checks for load balancers and `make run`: the process is alive, the site is ready."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Iterator
from threading import Timer

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from jobs.api import standstill, why_unavailable

logger = logging.getLogger(__name__)

PATIENCE = 2  # seconds for the database's answer


@never_cache
@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """200 as long as this process answers. It queries neither the database nor the cluster."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 if web, database and cluster are `ok`, else 503. The answer has the state of each."""
    said = {"web": "ok", "database": "ok", "cluster": "unknown"}
    try:
        with within(PATIENCE):
            said["database"] = database()
            said["cluster"] = cluster()
    except (DatabaseError, InterfaceError) as problem:
        logger.warning("The database does not answer: %s", problem)
        said["database"] = why_unavailable(problem)
    if said["database"] != "ok":
        connection.close()  # a new one may lead to another server
    alive = all(state == "ok" for state in said.values())
    return JsonResponse(said, status=200 if alive else 503)


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Cut this thread's connection after `seconds`.

    `statement_timeout` does not help when the server is frozen or its machine is gone: the server
    cannot report it. Connecting has a limit of its own, `connect_timeout`.
    """
    raw = connection.connection
    if raw is None or raw.closed:
        yield
        return
    with socket.socket(fileno=os.dup(raw.fileno())) as line:
        timer = Timer(seconds, cut, [line])
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


def cut(line: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the server has closed it already
        line.shutdown(socket.SHUT_RDWR)


def database() -> str:
    """`ok`, or `is read-only`: after a fail-over this connection may lead to a reader. Any other
    problem raises Django's error."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{PATIENCE}s'")
        cursor.execute("SHOW transaction_read_only")
        [state] = cursor.fetchone()
    return "ok" if state == "off" else "is read-only"


def cluster() -> str:
    """`ok`, or why the clusters take no due runs (jobs.api.standstill)."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{PATIENCE}s'")
        return standstill() or "ok"
