"""The span of a page of figures, from its address."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest

from jobs.metrics.spans import DEFAULT_SPAN, InvalidSpan, Span, span_of


def span_asked(request: HttpRequest) -> Span:
    """The address's span; if it is none, the usual one and a message."""
    try:
        return span_of(request.GET.get("span", ""))
    except InvalidSpan as error:
        messages.error(request, f"{error} This page shows the last {DEFAULT_SPAN.label}.")
        return DEFAULT_SPAN
