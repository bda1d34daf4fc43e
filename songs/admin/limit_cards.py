"""The card of limits on the panel's start page (`JOBS["PANEL_CARDS"]`)."""

from __future__ import annotations

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString

from songs.admin.cards import Span
from songs.admin.limits import in_words, name_subjects, refused_since
from songs.models import LimitCount

MAX_SHOWN = 5
SEE = "songs.view_limitcount"


def refusals(request: HttpRequest, span: Span) -> SafeString:
    """What each limit refused in the span, and the subjects that were refused last. Empty for an
    account that may not see refusals."""
    if not request.user.has_perm(SEE):
        return SafeString("")
    since = timezone.now() - span.length
    newest = LimitCount.objects.filter(refused__gt=0, refused_at__gte=since)
    rows = list(newest.order_by("-refused_at")[:MAX_SHOWN])
    name_subjects(rows, request)
    context = {
        "limits": [(in_words(name), times) for name, times in sorted(refused_since(since).items())],
        "rows": [(row, in_words(row.rule)) for row in rows],
        "may_see_limits": request.user.has_perm("songs.view_limit"),
    }
    return render_to_string("admin/songs/limits_card.html", context, request)
