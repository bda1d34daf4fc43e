"""What states a run's row may be in."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Case, F, Func, Q, Value, When
from django.db.models.lookups import Exact, IsNull


class RunStatus(models.TextChoices):
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


UNFINISHED = [RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING]
FINISHED = [RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.SKIPPED]


def in_sql(statuses: Iterable[str]) -> str:
    """“('queued', 'running')”."""
    listed = ", ".join(f"'{status}'" for status in statuses)
    return f"({listed})"


class Reason(models.TextChoices):
    NONE = "", "due"
    TURN = "turn", "its turn"
    BACKOFF = "backoff", "backing off"
    SLEEP = "sleep", "sleeping"
    FETCH = "fetch", "HTTP in flight"
    EVENT = "event", "waiting for an event"
    INVOKE = "invoke", "waiting for a function"
    FUNCTION = "function", "its function is not registered"
    PAUSED = "paused", "its function is paused"
    ASIDE = "aside", "set aside: it could not be taken up"


def _texts(texts: list[str]) -> Value:
    return Value(texts, output_field=ArrayField(models.TextField()))


def _is_any_of(one: F, many: Case) -> Func:
    """`one = ANY (many)`, for an array."""
    is_one = {"template": "%(expressions)s)", "arg_joiner": " = ANY ("}
    return Func(one, many, output_field=models.BooleanField(), **is_one)


# An ended run is not due.
STATUSES_OF_ROW = Case(
    When(ended_at__isnull=True, then=_texts([str(status) for status in UNFINISHED])),
    When(due_at__isnull=True, then=_texts([str(status) for status in FINISHED])),
    default=_texts([]),
)
# One short check for all: PostgreSQL reads and plans its text anew with each statement.
WHOLE = Q(
    Exact(IsNull(F("lease_token"), True), IsNull(F("lease_until"), True)),
    _is_any_of(F("status"), STATUSES_OF_ROW),
)
