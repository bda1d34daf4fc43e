"""The list of runs: what it reads, and what its template shows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.db import connection
from django.db.models import Count, F, QuerySet
from django.db.models.fields.json import KT
from django.http import HttpRequest
from django.utils import timezone

from jobs.admin.filters import STATUS
from jobs.admin.functions import retries_of
from jobs.admin.in_flight import in_flight
from jobs.admin.run_filters import ParameterFilter, address, newest
from jobs.admin.run_rows import rows
from jobs.admin.run_words import Known, steps_of
from jobs.lib.excerpts import quoted
from jobs.metrics.spans import SPANS
from jobs.models import (
    UNFINISHED,
    Attempt,
    AttemptStatus,
    Reason,
    RegisteredFunction,
    Run,
    RunStatus,
)

__all__ = ["RunChangeList", "error_counts", "newest", "shown", "steps_in_words", "usual_steps"]

MAX_COUNTED = 10_000
# An error without its traceback.
ERROR = {
    "error_name": KT("error__name"),
    "error_message": KT("error__message"),
    "error_step": KT("error__step"),
    "error_steps": F("error__steps"),
    "cause_name": KT("error__cause__name"),
    "cause_message": KT("error__cause__message"),
}


class RunChangeList(ChangeList):
    known_functions: list[str]

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Run]:
        runs = super().get_queryset(request, *args, **kwargs)
        return runs.defer("output", "error", "event__data")

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Lists of ended runs go by their end."""
        by_end = request.GET.get("ended") or request.GET.get("open")
        return ["-ended_at", "-id"] if by_end else ["-id"]

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        runs = list(self.result_list.annotate(**ERROR))  # of the page alone, not of the count
        fn_ids = {run.fn_id for run in runs}
        functions = RegisteredFunction.objects.in_bulk()
        self.known_functions = list(functions)
        usual, errors, flights = usual_steps(fn_ids), error_counts(runs), in_flight(runs)
        for run in runs:
            run.flight = flights.get(run.pk)
            run.errors = errors.get(run.pk, 0)
            run.failed_steps = _failed_steps(run)
            function = functions.get(run.fn_id)
            run.retries = retries_of(function) if function else None
            run.usual_steps = usual.get(run.fn_id)
            run.stands_still = bool(function and function.stands_still)
        self.result_list = runs


def shown(request: HttpRequest, changelist: RunChangeList) -> dict[str, Any]:
    given = request.GET.dict()
    query = {name: str(value) for name, value in given.items() if name not in ("p", "e", "all")}
    now = timezone.now()
    return {
        "now": now,
        "rows": rows(request.user, changelist.result_list, changelist.known_functions, now),
        "statuses": statuses(query),
        "chips": chips(changelist, query),
        "query": query,
        "moves": query.get(STATUS, "") in ("", *UNFINISHED) or "open" in query,
        "kind": query.get("kind", ""),
        "known_functions": changelist.known_functions,
        "reasons": [choice for choice in Reason.choices if choice[0]],
        "spans": SPANS.values(),
    }


def statuses(query: dict[str, str]) -> list[dict[str, Any]]:
    """The statuses' chips; with counts if nothing else narrows the list."""
    counts = {} if set(query) - {STATUS, "open"} else status_counts()
    now, is_open = query.get(STATUS, ""), query.get("open") == "1"
    entries: list[tuple[str, dict[str, str]]] = [("all", {STATUS: "", "open": ""})]
    for status in RunStatus.values:
        if status == RunStatus.FAILED:
            entries.append(("failed, open", {STATUS: status, "open": "1"}))
        entries.append((status, {STATUS: status, "open": ""}))
    return [
        {
            "label": label,
            "url": address(query, **change),
            "count": _capped(counts[label]) if label in counts else "",
            "is_current": (change[STATUS], bool(change["open"])) == (now, is_open),
        }
        for label, change in entries
    ]


def status_counts() -> dict[str, int]:
    """Runs in each status, and open failures, each counted up to 10,001. One query."""
    parts: list[str] = []
    values: list[str | int] = []
    for status in RunStatus.values:
        still = "AND ended_at IS NULL" if status in UNFINISHED else ""
        parts.append(_CAPPED.format(more=still))
        values += [str(status), str(status), MAX_COUNTED + 1]
    parts.append(_CAPPED.format(more="AND mended_at IS NULL"))
    values += ["failed, open", "failed", MAX_COUNTED + 1]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts), values)
        return dict(cursor.fetchall())


_CAPPED = """
SELECT %s, count(*) FROM (SELECT 1 FROM jobs_run WHERE status = %s {more} LIMIT %s) AS capped
"""


def chips(changelist: RunChangeList, query: dict[str, str]) -> list[dict[str, str]]:
    found = []
    if (status := query.get(STATUS, "")) not in ("", *RunStatus.values):
        words = f"{quoted(status, 40)} is no status"  # those that are stand above it
        found.append({"words": words, "url": address(query, **{STATUS: ""})})
    for spec in changelist.filter_specs:
        name = getattr(spec, "parameter_name", "")
        if name in ("", "open") or not query.get(name):
            continue
        words = (
            spec.words() if isinstance(spec, ParameterFilter) else f"{spec.title}: {query[name]}"
        )
        found.append({"words": words, "url": address(query, **{name: ""})})
    return found


def _capped(number: int) -> str:
    return f"{MAX_COUNTED:,}+" if number > MAX_COUNTED else f"{number:,}"


def usual_steps(fn_ids: Iterable[str]) -> dict[str, int]:
    """Steps of each function's last completed run. One query with an index look-up each; a join or
    DISTINCT ON would read all history."""
    last = [last_completed(fn_id).values_list("fn_id", "steps_done")[:1] for fn_id in fn_ids]
    return dict(last[0].union(*last[1:], all=True)) if last else {}


def last_completed(fn_id: str) -> QuerySet[Run]:
    return Run.objects.filter(fn_id=fn_id, status=RunStatus.COMPLETED).order_by("-id")


def error_counts(runs: list[Run]) -> dict[Any, int]:
    erred = Attempt.objects.filter(run__in=runs, status=AttemptStatus.ERROR).exclude(step_name="")
    return dict(erred.order_by().values_list("run").annotate(Count("id")))


def _failed_steps(run: Any) -> int:
    """Of a run whose error was read in parts (ERROR)."""
    if run.status != RunStatus.FAILED:
        return 0
    beside = run.error_steps if isinstance(run.error_steps, list) else []
    return len(beside) or int(run.error_step is not None)


def steps_in_words(run: Run, known: Known) -> str:
    """“3/5”: completed steps, of the usual ones."""
    completed, whole = steps_of(run, known)
    if not known.usual_steps or run.status == RunStatus.COMPLETED:
        return str(completed)
    return f"{completed}/{whole}"
