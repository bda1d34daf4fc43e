"""A run page's outputs. The database cuts large ones: a page never reads megabytes. An operator can
ask for a whole one.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import BigIntegerField, Case, F, Func, IntegerField, QuerySet, TextField, When
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce
from django.db.models.lookups import LessThanOrEqual
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin.html import MAX_SHOWN, beginning, pretty, undirected
from jobs.control.permission_names import VIEW_PAYLOAD
from jobs.lib.excerpts import begins
from jobs.lib.secrets import mask
from jobs.models import Step, StepStatus

MAX_WHOLE = MAX_SHOWN  # bytes of a whole output
MAX_READ = 4 * 2**20  # bytes of outputs read for a page, the first steps' first

STORED_SIZE = Func("output", function="pg_column_size", output_field=IntegerField())
SIZE = Coalesce(F("output_bytes"), STORED_SIZE)
PRETTY = Func("output", function="jsonb_pretty", output_field=TextField())
READ_SO_FAR = RawSQL(
    "sum(coalesce(jobs_step.output_bytes, pg_column_size(jobs_step.output)))"
    " OVER (ORDER BY jobs_step.position, jobs_step.id)",
    [],
    output_field=BigIntegerField(),
)


def cut(steps: QuerySet[Step]) -> QuerySet[Step]:
    is_read = LessThanOrEqual(READ_SO_FAR, MAX_READ)
    return steps.defer("output").annotate(
        size=SIZE,
        is_read=is_read,
        whole=Case(When(is_read, size__lte=MAX_WHOLE, then=F("output"))),
        start=Case(When(is_read, size__gt=MAX_WHOLE, then=begins(PRETTY, MAX_SHOWN))),
    )


def shown(step: Any) -> SafeString:
    if step.start is None and (step.is_read or step.size is None):
        return pretty(step.whole)
    address = reverse("admin:jobs_run_output", args=[step.run_id, step.pk])
    link = format_html(
        '<p><a href="{}" target="_blank" rel="noopener">Show all of it</a></p>', address
    )
    size = f"{step.size:,} bytes of JSON"
    start = (
        beginning(step.start, size) if step.start is not None else format_html("<p>{}.</p>", size)
    )
    return start + link


def view(model_admin: Any, request: HttpRequest, run_id: UUID, step_id: UUID) -> HttpResponse:
    """A whole output as text, secrets masked."""
    if not (model_admin.has_view_permission(request) and request.user.has_perm(VIEW_PAYLOAD)):
        raise PermissionDenied
    step = Step.objects.filter(pk=step_id, run_id=run_id, status=StepStatus.COMPLETED).first()
    if step is None:
        raise Http404("The step is not there any more, or has no output.")
    text = undirected(mask(json.dumps(step.output, indent=2, ensure_ascii=False, default=str)))
    headers = {"X-Content-Type-Options": "nosniff"}
    return HttpResponse(text, content_type="text/plain; charset=utf-8", headers=headers)
