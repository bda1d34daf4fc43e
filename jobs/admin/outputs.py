"""A run page's outputs. The database cuts large ones, so the site never reads megabytes."""

from __future__ import annotations

from typing import Any

from django.db.models import Case, F, Func, IntegerField, QuerySet, TextField, When
from django.db.models.functions import Coalesce
from django.utils.safestring import SafeString

from jobs.admin.html import SHOWN, beginning, pretty
from jobs.lib.excerpts import begins
from jobs.models import Step

WHOLE = SHOWN  # bytes of a whole output

ROOM = Func("output", function="pg_column_size", output_field=IntegerField())
SIZE = Coalesce(F("output_bytes"), ROOM)
PRETTY = Func("output", function="jsonb_pretty", output_field=TextField())


def cut(steps: QuerySet[Step]) -> QuerySet[Step]:
    """Read of each step's output what `shown` shows."""
    return steps.defer("output").annotate(
        size=SIZE,
        whole=Case(When(size__lte=WHOLE, then=F("output"))),
        start=Case(When(size__gt=WHOLE, then=begins(PRETTY, SHOWN))),
    )


def shown(step: Any) -> SafeString:
    if step.start is None:
        return pretty(step.whole)
    return beginning(step.start, f"{step.size:,} bytes of JSON")
