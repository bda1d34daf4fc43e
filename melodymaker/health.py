"""Two answers for load balancers and for `make run`: the process lives, the house is ready."""

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
    """200 as long as this process answers; asks nobody else."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 if web and database live and due runs are being taken, else 503; says which is not."""
    said = {"web": "ok", "database": "ok", "cluster": "unknown"}
    try:
        with within(PATIENCE):
            said["database"] = database()
            said["cluster"] = cluster()
    except (DatabaseError, InterfaceError) as problem:
        logger.warning("The database cannot be asked: %s", problem)
        said["database"] = why_unavailable(problem)
    if said["database"] != "ok":
        connection.close()  # the next look is on another one, which may lead elsewhere
    alive = all(state == "ok" for state in said.values())
    return JsonResponse(said, status=200 if alive else 503)


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Cut this thread's connection after `seconds`: a server that is frozen, or whose machine has
    gone, does not even say that a statement takes too long. Connecting has a limit of its own,
    `connect_timeout`."""
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
    with contextlib.suppress(OSError):  # the other side has done it
        line.shutdown(socket.SHUT_RDWR)


def database() -> str:
    """`ok`, or that it cannot be written: after a fail-over this connection may lead to a reader.
    Whatever else is wrong with it is an error of Django's."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{PATIENCE}s'")
        cursor.execute("SHOW transaction_read_only")
        [state] = cursor.fetchone()
    return "ok" if state == "off" else "is read-only"


def cluster() -> str:
    """`ok`, or why due runs are not being taken (jobs.api.standstill)."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{PATIENCE}s'")
        return standstill() or "ok"
