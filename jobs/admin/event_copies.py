"""Text that sends an event like this one: as Python, and as `curl`."""

from __future__ import annotations

import json
import shlex
from pprint import pformat

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from jobs.admin.html import undirected
from jobs.lib.secrets import mask
from jobs.models import Event


def as_python(event: Event) -> str:
    """For a console or a function: `send(Event(…))`."""
    try:
        data = pformat(event.data, width=88, sort_dicts=False)
    except RecursionError:  # hundreds of levels
        data = repr(event.data)
    inner = data.replace("\n", "\n    ")
    return mask(
        f"from jobs.api import Event, send\n\nsend(Event(\n    name={event.name!r},\n"
        f"    data={inner},\n))"
    )


def as_curl(request: HttpRequest, event: Event) -> str:
    """A request to the panel's form. The session's cookies are left out: a shell has them in
    SESSION and TOKEN."""
    origin = request.build_absolute_uri("/")
    session, csrf = settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME
    data = undirected(json.dumps(event.data, ensure_ascii=False))
    parts = [
        f"curl {shlex.quote(request.build_absolute_uri(reverse('admin:jobs_event_send')))}",
        f'-b "{session}=$SESSION; {csrf}=$TOKEN"',
        f'-H "X-CSRFToken: $TOKEN" -H {shlex.quote(f"Referer: {origin}")}',
        f"--data-urlencode {shlex.quote(f'name={event.name}')}",
        f"--data-urlencode {shlex.quote(f'event_data={data}')}",
    ]
    return mask(" \\\n  ".join(parts))
