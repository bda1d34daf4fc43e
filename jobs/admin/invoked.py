"""Invoked runs on a run's page: links both ways."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.safestring import SafeString

from jobs.admin.bulk_actions import MAX_WALKED
from jobs.admin.html import run_link, run_status
from jobs.admin.words import MAX_COUNTED, STANDS_STILL, counted
from jobs.models import Run
from jobs.runs import invocation_tree

MAX_SHOWN = 20


def relatives(run: Run, now: datetime) -> dict[str, Any]:
    direct, reruns = _children(run)
    shown = [(run_link(child.pk, child.fn_id), run_status(child, now)) for child in direct]
    below = invocation_tree.unfinished_below(run.pk, MAX_COUNTED + 1, MAX_WALKED) if shown else []
    return {
        "invoked": shown[:MAX_SHOWN],
        "more_invoked": len(shown) > MAX_SHOWN,
        "below": counted(below),
        "below_links": links(below[:5]),
        "reruns": [run_link(rerun.pk) for rerun in reversed(reruns)],
    }


def _children(run: Run) -> tuple[list[Run], list[Run]]:
    """Its latest invoked runs and latest reruns. One query."""
    latest = [
        runs.annotate(stands_still=STANDS_STILL)
        .defer("output", "error")
        .order_by("-id")[: MAX_SHOWN + 1]
        for runs in (run.invoked, run.reruns)
    ]
    found: list[Any] = list(latest[0].union(latest[1]).order_by("-id"))
    invoked = [child for child in found if child.invoked_by_id == run.pk]
    return invoked, [child for child in found if child.rerun_of_id == run.pk]


def links(run_ids: Iterable[UUID]) -> list[SafeString]:
    runs = Run.objects.filter(pk__in=list(run_ids)).order_by("-id") if run_ids else []
    return [run_link(run.pk, run.fn_id) for run in runs]
