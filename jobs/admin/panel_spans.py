"""The span that a page of figures shows, from its address."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest

from jobs.metrics.spans import USUAL, InvalidSpan, Span, span_of


def span_asked(request: HttpRequest) -> Span:
    """That of the address; if it is none, the usual one, and a message that says so."""
    try:
        return span_of(request.GET.get("span", ""))
    except InvalidSpan as error:
        messages.error(request, f"{error} This page shows the last {USUAL.label}.")
        return USUAL
