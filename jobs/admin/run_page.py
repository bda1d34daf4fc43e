"""What a run's page shows, read at one moment."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Subquery
from django.http import HttpRequest
from django.utils import timezone

from jobs.admin import outputs, timeline, waterfall, windows
from jobs.admin.functions import retries_of
from jobs.admin.html import run_status
from jobs.admin.in_flight import in_flight
from jobs.admin.invoked import relatives
from jobs.admin.links import run_links
from jobs.admin.run_list import last_completed, steps_in_words
from jobs.admin.run_words import Known, status_in_words, took
from jobs.admin.words import is_stalled, situation
from jobs.control.permission_names import VIEW_PAYLOAD
from jobs.events import requester
from jobs.models import RegisteredFunction, Run, RunStatus
from jobs.runs.invocation_tree import failed_steps


def page(run: Run, request: HttpRequest) -> dict[str, Any]:
    user: Any = request.user
    problems: dict[str, str] = {}
    now = timezone.now()
    function = function_of(run)
    run.stands_still = bool(function and function.stands_still)  # type: ignore[attr-defined]
    retries = retries_of(function) if function else None
    story = timeline.read_story(
        run,
        now,
        outputs.cut,
        last_step=windows.asked(request, "steps", problems),
        last_line=windows.asked(request, "lines", problems),
    )
    flight = in_flight([run]).get(run.pk)
    known = Known(
        usual_steps=function.usual_steps if function else None,
        retries=retries,
        errors=sum(len(lane.errors) for lane in story.lanes),
        failed_steps=len(failed_steps(run)) if run.status == RunStatus.FAILED else 0,
        flight=flight,
    )
    return {
        "run": run,
        "now": now,
        "told": status_in_words(run, now, known),
        "status": run_status(run, now, retries, flight),
        "stalled": is_stalled(run, now),
        "situation": situation(run, now, retries, flight),
        "steps": steps_in_words(run, known),
        "story": story,
        "problems": problems,
        "planned": story.planned.duration if story.planned else None,
        "queue_wait": story.queued.duration,
        "run_time": took(run, now),
        "waited": story.waited if story.waited > timedelta(milliseconds=50) else None,
        "waterfall": waterfall.draw(story),
        "function": function,
        "asked_by": requester.account(run.asked_by).name,
        "dealt_by": requester.account(run.dealt_by).name,
        "about": run_links(user, run.event.data),
        "may_see_payload": user.has_perm(VIEW_PAYLOAD),
        **relatives(run, now),
    }


def function_of(run: Run) -> Any:
    """With `usual_steps`, the steps of its last completed run; None without a row. One query."""
    usual = Subquery(last_completed(run.fn_id).values("steps_done")[:1])
    return RegisteredFunction.objects.annotate(usual_steps=usual).filter(pk=run.fn_id).first()
