"""The project's acts for all open failures of one kind, unknown to the engine.

`JOBS["KIND_ACTS"]` may list callables by their dotted paths:

    def refunds(request: HttpRequest, events: list[Any]) -> SafeString: ...

Each gets the request and the data of the events of the kind's open failures (the latest
MAX_FAILURES; None for data of more than 8,192 bytes). It returns safe HTML, such as a form, or an
empty text if there is nothing to do or the account may not do it.
"""

from __future__ import annotations

import logging

from django.http import HttpRequest
from django.utils.html import conditional_escape, format_html
from django.utils.module_loading import import_string
from django.utils.safestring import SafeString

from jobs import conf
from jobs.admin.links import small_data
from jobs.metrics.failures import open_runs_of

logger = logging.getLogger(__name__)
MAX_FAILURES = 500  # open failures


def acts(request: HttpRequest, kind: str) -> list[SafeString]:
    """Two queries, and the project's."""
    if not kind or not conf.kind_acts():
        return []
    event_ids = list(open_runs_of(kind).values_list("event_id", flat=True)[:MAX_FAILURES])
    data = small_data(event_ids)
    events = [data.get(event_id) for event_id in event_ids]
    found = (_act(path, request, events) for path in conf.kind_acts())
    return [act for act in found if act]


def _act(path: str, request: HttpRequest, events: list[object]) -> SafeString:
    try:
        return conditional_escape(import_string(path)(request, events))
    except Exception:
        logger.exception("JOBS[“KIND_ACTS”] (%s) could not make its act.", path)
        text = "This act could not be offered; the site's log has the error."
        return format_html('<p class="jobs-quiet">{} ({})</p>', text, path)
