"""Open failures by kind. A kind's own page is the list of its runs."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from jobs.metrics.failures import failures

WHOLE, FRAGMENT = "admin/jobs/run/failures.html", "admin/jobs/run/kinds.html"


def page(model_admin: Any, request: HttpRequest) -> HttpResponse:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    found = failures()
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Failures",
        "groups": found.groups,
        "found": found,
        "now": timezone.now(),
    }
    is_fragment = request.headers.get("HX-Request") == "true"
    return TemplateResponse(request, FRAGMENT if is_fragment else WHOLE, context)
