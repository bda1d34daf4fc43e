"""Two answers for load balancers and for `make run`: the process lives, the house is ready."""

from __future__ import annotations

import logging

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from jobs.api import standstill

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
        said["cluster"] = cluster()
    except (DatabaseError, InterfaceError) as problem:
        logger.warning("The database does not answer: %s", problem)
        connection.close()
        said["database"] = "does not answer"
    alive = all(state == "ok" for state in said.values())
    return JsonResponse(said, status=200 if alive else 503)


def cluster() -> str:
    """`ok`, or why due runs are not being taken (jobs.api.standstill)."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{PATIENCE}s'")
        return standstill() or "ok"
