"""A run's timeline, for pages of any app in the panel.

{% load jobs_runs %}{% run_timeline run_id %}
"""

from __future__ import annotations

from typing import Any

from django import template
from django.utils import timezone

from jobs.admin import timeline, waterfall
from jobs.admin.html import run_link, run_status
from jobs.admin.words import STANDS_STILL
from jobs.control.permission_names import VIEW_RUN
from jobs.models import Run

register = template.Library()


@register.inclusion_tag("admin/jobs/run/inline.html", takes_context=True)
def run_timeline(context: dict[str, Any], run_id: Any) -> dict[str, Any]:
    """Nothing for an account that may not see runs, nor for a run that is gone."""
    user = context["request"].user
    runs = Run.objects.annotate(stands_still=STANDS_STILL).filter(pk=run_id)
    run = runs.first() if user.has_perm(VIEW_RUN) else None
    if run is None:
        return {}
    now = timezone.now()
    story = timeline.read_story(run, now, with_log=False)
    return {
        "run": run,
        "link": run_link(run.pk, run.fn_id),
        "status": run_status(run, now),
        "waterfall": waterfall.draw(story),
    }
