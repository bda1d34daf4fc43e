from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.db.models import Count, QuerySet
from django.db.models.fields.json import KT
from django.http import HttpRequest

from jobs.admin.functions import retries_of
from jobs.admin.in_flight import in_flight
from jobs.models import Attempt, AttemptStatus, RegisteredFunction, Run, RunStatus


class RunChangeList(ChangeList):
    """A few queries read what the runs' columns lack."""

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Run]:
        runs = super().get_queryset(request, *args, **kwargs)
        runs = runs.defer("output", "error", "event__data")
        return runs.annotate(error_message=KT("error__message"))

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        runs = list(self.result_list)
        fn_ids = {run.fn_id for run in runs}
        functions = RegisteredFunction.objects.in_bulk(fn_ids)
        usual, errors, flights = usual_steps(fn_ids), error_counts(runs), in_flight(runs)
        for run in runs:
            run.flight = flights.get(run.pk)
            run.errors = errors.get(run.pk, 0)
            function = functions.get(run.fn_id)
            run.retries = retries_of(function) if function else None
            run.usual_steps = usual.get(run.fn_id)
        self.result_list = runs


def usual_steps(fn_ids: Iterable[str]) -> dict[str, int]:
    """Steps of each function's last completed run. One query with an index look-up each; a join or
    DISTINCT ON would read all history.
    """
    last = [
        Run.objects.filter(fn_id=fn_id, status=RunStatus.COMPLETED)
        .order_by("-id")
        .values_list("fn_id", "steps_done")[:1]
        for fn_id in fn_ids
    ]
    return dict(last[0].union(*last[1:], all=True)) if last else {}


def newest(number: int) -> uuid.UUID:
    """The id `number` places back, or the lowest possible one."""
    ids = Run.objects.order_by("-id").values_list("id", flat=True)
    return next(iter(ids[number : number + 1]), uuid.UUID(int=0))


def error_counts(runs: list[Run]) -> dict[Any, int]:
    erred = Attempt.objects.filter(run__in=runs, status=AttemptStatus.ERROR).exclude(step_name="")
    return dict(erred.order_by().values_list("run").annotate(Count("id")))


def steps_in_words(run: Run, usual: int | None) -> str:
    """“3/5”: remembered steps, of those in the function's last completed run."""
    if not usual or (run.is_finished and run.status == RunStatus.COMPLETED):
        return str(run.steps_done)
    return f"{run.steps_done}/{max(usual, run.steps_done)}"
