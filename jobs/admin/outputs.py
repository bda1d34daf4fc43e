"""What steps have left, as a run's page shows it. A large output is cut in the database: the site
does not read megabytes to show their beginning."""

from __future__ import annotations

from typing import Any

from django.db.models import Case, F, Func, IntegerField, QuerySet, TextField, When
from django.db.models.functions import Coalesce
from django.utils.safestring import SafeString

from jobs.admin.html import SHOWN, beginning, pretty
from jobs.lib.excerpts import begins
from jobs.models import Step

WHOLE = SHOWN  # bytes: an output of no more comes whole

ROOM = Func("output", function="pg_column_size", output_field=IntegerField())
SIZE = Coalesce(F("output_bytes"), ROOM)
PRETTY = Func("output", function="jsonb_pretty", output_field=TextField())


def cut(steps: QuerySet[Step]) -> QuerySet[Step]:
    """These steps, each with as much of what it has left as `shown` shows of it."""
    return steps.defer("output").annotate(
        size=SIZE,
        whole=Case(When(size__lte=WHOLE, then=F("output"))),
        start=Case(When(size__gt=WHOLE, then=begins(PRETTY, SHOWN))),
    )


def shown(step: Any) -> SafeString:
    """What a step that was read so has left."""
    if step.start is None:
        return pretty(step.whole)
    return beginning(step.start, f"{step.size:,} bytes of JSON")
