"""Conditions and concurrency keys without a value for events that came (see
events.condition_problems). Only those registered now count: what was mended is gone with the
deployment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef
from django.db.models.functions import JSONObject, Now

from jobs.metrics.paused import with_skipped
from jobs.models import ConditionProblem, RegisteredFunction

SHOWN_FOR = timedelta(days=1)  # after the last event
MAX_OF_A_FUNCTION = 5
MAX_SHOWN = 20
Place = ConditionProblem.Place
OPTIONS: dict[str, tuple[str, str]] = {  # in a function's configuration
    Place.TRIGGER: ("triggers", "if"),
    Place.KEY: ("concurrency", "key"),
    Place.CANCEL_ON: ("cancel_on", "if"),
}


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An expression that lately could not be evaluated, at least `count` times."""

    fn_id: str
    place: str
    expression: str
    count: int
    last: datetime


def functions() -> list[Any]:
    """All functions' rows, with what `unreadable` and `paused` read. One query."""
    lately = ConditionProblem.objects.filter(
        fn_id=OuterRef("fn_id"), is_mistake=True, last_at__gt=Now() - SHOWN_FOR
    )
    facts = JSONObject(place="place", expression="expression", count="count", last="last_at")
    latest = lately.order_by("-last_at").values(facts=facts)
    found = ArraySubquery(latest[:MAX_OF_A_FUNCTION])
    return list(with_skipped().annotate(unreadable=found))


def unreadable(rows: Iterable[Any]) -> list[Unreadable]:
    """The latest first; `rows` are from `functions`."""
    found = [
        Unreadable(
            fn_id=row.fn_id,
            place=facts["place"],
            expression=facts["expression"],
            count=facts["count"],
            last=datetime.fromisoformat(facts["last"]),
        )
        for row in rows
        for facts in row.unreadable
        if _is_registered(row.config, facts["place"], facts["expression"])
    ]
    return sorted(found, key=lambda one: one.last, reverse=True)


def of_function(function: RegisteredFunction) -> list[ConditionProblem]:
    """Its expressions without a value, mistakes first. One query."""
    rows = ConditionProblem.objects.filter(fn_id=function.fn_id).order_by("-is_mistake", "-last_at")
    found = [
        row
        for row in rows[: 5 * MAX_SHOWN]
        if _is_registered(function.config, row.place, row.expression)
    ]
    return found[:MAX_SHOWN]


def _is_registered(config: Any, place: str, expression: str) -> bool:
    option, key = OPTIONS[place]
    entries = config.get(option) if isinstance(config, dict) else None
    return any(isinstance(entry, dict) and entry.get(key) == expression for entry in entries or [])
