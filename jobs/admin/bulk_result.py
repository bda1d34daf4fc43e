"""The runs of a bulk act, read from the history: “55 retried by olga at 02:10: 40 completed, 11
under way, 4 failed again”."""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from jobs.admin.base import as_uuid
from jobs.models import UNFINISHED, Run, RunStatus

WHOLE, FRAGMENT = "admin/jobs/run/result.html", "admin/jobs/run/result_part.html"
MAX_ENTRIES = 500
MAX_SHOWN = 50
DONE = Q(change_message__startswith="Retried from") | Q(
    change_message__startswith="Made by a rerun of"
)


def address(request: HttpRequest, begun: datetime) -> str:
    query = {"by": request.user.pk, "from": begun.isoformat(), "until": timezone.now().isoformat()}
    return f"{reverse('admin:jobs_run_result')}?{urlencode(query)}"


def page(model_admin: Any, request: HttpRequest) -> HttpResponse:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    account, begun, ended = _asked(request)
    entries = LogEntry.objects.filter(DONE, user_id=account.pk, action_time__range=(begun, ended))
    entries = entries.filter(content_type__app_label="jobs", content_type__model="run")
    ids = _ids(entries.order_by("id").values_list("object_id", flat=True)[:MAX_ENTRIES])
    runs = list(
        Run.objects.filter(id__in=ids).defer("output", "error").order_by("-ended_at", "-id")
    )
    is_fragment = request.headers.get("HX-Request") == "true"
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "What has become of them",
        "account": account,
        "at": begun,
        "now": timezone.now(),
        **_counted(list(runs)),
    }
    return TemplateResponse(request, FRAGMENT if is_fragment else WHOLE, context)


def _asked(request: HttpRequest) -> tuple[Any, datetime, datetime]:
    by = request.GET.get("by", "")
    account = get_user_model().objects.filter(pk=by).first() if by.isdecimal() else None
    begun, ended = _moment(request.GET.get("from", "")), _moment(request.GET.get("until", ""))
    if account is None or begun is None or ended is None:
        raise Http404("This address names no bulk act: by, from and until are needed.")
    return account, begun, ended


def _moment(text: str) -> datetime | None:
    try:
        moment = parse_datetime(text.replace(" ", "+"))
    except ValueError:
        return None
    return moment if moment and timezone.is_aware(moment) else None


def _ids(texts: Any) -> list[uuid.UUID]:
    return [found for text in texts if (found := as_uuid(text or ""))]


def _counted(runs: list[Run]) -> dict[str, Any]:
    counts = Counter(run.status for run in runs)
    return {
        "number": len(runs),
        "completed": counts[RunStatus.COMPLETED],
        "under_way": sum(counts[status] for status in UNFINISHED),
        "failed": counts[RunStatus.FAILED],
        "others": counts[RunStatus.CANCELLED] + counts[RunStatus.SKIPPED],
        "failed_again": [run for run in runs if run.status == RunStatus.FAILED][:MAX_SHOWN],
        "going_on": [run for run in runs if not run.is_finished][:MAX_SHOWN],
    }
