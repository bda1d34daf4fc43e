"""The project's cards on Operations; the engine does not know what they show.

`JOBS["PANEL_CARDS"]` may list callables by their dotted paths:

    def credit_check(request: HttpRequest, span: Span) -> SafeString: ...

Each gets the request and the span (`span.key`, `span.label`, `span.length`) and returns safe HTML,
or an empty text for an account that may not see the card. Operations calls it with every refresh,
every five seconds: its queries should be few and bounded.
"""

from __future__ import annotations

import logging

from django.http import HttpRequest
from django.utils.html import conditional_escape, format_html
from django.utils.module_loading import import_string
from django.utils.safestring import SafeString

from jobs import conf
from jobs.metrics.spans import Span

logger = logging.getLogger(__name__)


def cards(request: HttpRequest, span: Span) -> list[SafeString]:
    found = (_card(path, request, span) for path in conf.panel_cards())
    return [card for card in found if card]


def _card(path: str, request: HttpRequest, span: Span) -> SafeString:
    try:
        return conditional_escape(import_string(path)(request, span))
    except Exception:
        logger.exception("JOBS[“PANEL_CARDS”] (%s) could not make its card.", path)
        text = "This card could not be made; the site's log has the error."
        return format_html('<p class="jobs-quiet">{} ({})</p>', text, path)
