"""What has become of everything, without ids and times: equal executions have the same story."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from jobs.models import Event, Fetch, Run, Step

ID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)


def story() -> dict[str, Any]:
    runs = Run.objects.values_list("fn_id", "status", "error__message", "steps_done", "lease_token")
    steps = Step.objects.values_list("run__fn_id", "name", "kind", "status", "error__message")
    return {
        "runs": _counted(runs),
        "steps": _counted(steps),
        "events": Counter(Event.objects.values_list("name", flat=True)),
        "requests": Counter(Fetch.objects.values_list("step_name", "status")),
    }


def _counted(rows: Any) -> Counter[Any]:
    return Counter(tuple(map(without_ids, row)) for row in rows)


def without_ids(value: Any) -> Any:
    """A message may name a run, another one each time."""
    return ID.sub("…", value) if isinstance(value, str) else value


def differences(told: dict[str, Any], whole: dict[str, Any]) -> list[str]:
    return [
        line
        for part in whole | told
        for line in _difference(part, told.get(part), whole.get(part))
        if told.get(part) != whole.get(part)
    ]


def _difference(part: str, told: Any, whole: Any) -> list[str]:
    if not isinstance(told, Counter) or not isinstance(whole, Counter):
        return [f"{part}: {told!r}, and without the crash {whole!r}"]
    lines = [_line(part, row, count, "more") for row, count in (told - whole).items()]
    return lines + [_line(part, row, count, "fewer") for row, count in (whole - told).items()]


def _line(part: str, row: Any, count: int, how: str) -> str:
    values = ", ".join(map(str, row)) if isinstance(row, tuple) else row
    return f"{part}: {count} {how} of ({values})"
