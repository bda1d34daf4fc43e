"""The cards of credits and of reports on the panel's start page (`JOBS["PANEL_CARDS"]`)."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from songs import ledger_check, ledger_totals, permissions
from songs.models import Publication

MAX_COUNTED = 100  # reported songs


class Span(Protocol):
    """What the card needs to know of the span that the page shows."""

    @property
    def length(self) -> timedelta: ...


def credits(request: HttpRequest, span: Span) -> SafeString:
    """What was granted, charged, waived and given back in the span, what is outstanding, and
    whether the ledger is right. Empty for an account that may not see the ledger."""
    if not request.user.has_perm(permissions.SEE_LEDGER):
        return SafeString("")
    found = ledger_check.last_check()
    context = {
        "totals": ledger_totals.totals(span.length),
        "check": found,
        "check_words": ledger_check.in_words(found) if found else "",
        "may_see_balances": permissions.may_see_accounts(request.user),
    }
    return render_to_string("admin/songs/credits_card.html", context, request)


def reports(request: HttpRequest, span: Span) -> SafeString:
    """How many public songs have open reports, whatever the span. Empty if there are none, and for
    an account that may not see published songs."""
    if not request.user.has_perm(permissions.SEE_PUBLISHED):
        return SafeString("")
    reported = Publication.objects.reported()
    number = reported[: MAX_COUNTED + 1].count()
    if not number:
        return SafeString("")
    context = {"number": min(number, MAX_COUNTED), "is_more": number > MAX_COUNTED}
    return render_to_string("admin/songs/reports_card.html", context, request)
