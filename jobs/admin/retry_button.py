"""A run's retry on its page: the runs that go on with it, or what to do first."""

from __future__ import annotations

from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin.html import run_link
from jobs.control.retries import RETRYABLE, TakenAlong, is_resumable, refusal, taken_along
from jobs.errors import JobsError
from jobs.events.requester import Asker
from jobs.models import Run

MAX_SHOWN = 20


def retry_of(run: Run, user: Any, *, invokes: bool) -> dict[str, Any]:
    """For an account that may retry the run. Only a run with a step that `invokes` takes others
    along."""
    if run.status not in RETRYABLE:
        return {}
    along = taken_along(run) if invokes else TakenAlong()
    refused = refusal(run, along, Asker(str(user.pk), user))
    ended = along.retried()
    return {
        "can_retry": refused is None,
        "retry_refusal": with_link(refused) if refused else "",
        "can_rerun_from_step": is_resumable(run.fn_id),
        "goes_along": [run_link(one.pk, one.fn_id) for one in ended[:MAX_SHOWN]],
        "more_along": max(ended.count() - MAX_SHOWN, 0),
    }


def with_link(error: JobsError) -> SafeString:
    if not error.run_id:
        return format_html("{}", error)
    return format_html("{} {}", error, run_link(error.run_id, "Go to that run."))
