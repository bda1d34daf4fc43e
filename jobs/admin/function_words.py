"""A registered function in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from jobs import conf
from jobs.admin.data_schema import in_words
from jobs.admin.words import roughly
from jobs.lib.backoff import JITTER, TABLE
from jobs.lib.numbers import is_whole
from jobs.metrics.paused import hook_of
from jobs.models import RegisteredFunction

MOMENTS = {"failure": "fails", "cancel": "is cancelled", "retry": "is retried"}
SHOWN_DELAYS = 6


def config_of(function: RegisteredFunction) -> dict[str, Any]:
    return function.config if isinstance(function.config, dict) else {}


def entries(function: RegisteredFunction, key: str) -> list[Any]:
    found = config_of(function).get(key)
    return found if isinstance(found, list) else [found] if found else []


def retries_of(function: RegisteredFunction) -> int | None:
    retries = config_of(function).get("retries")
    return retries if is_whole(retries) else None


def cron_lines(function: RegisteredFunction) -> list[str]:
    triggers = entries(function, "triggers")
    return [str(e["cron"]) for e in triggers if isinstance(e, dict) and e.get("cron")]


def starts_on(function: RegisteredFunction) -> str:
    """“event “song/ordered”, cron 17 * * * *”; empty if nothing starts it."""
    return ", ".join(_trigger(entry) for entry in entries(function, "triggers"))


def started_by(function: RegisteredFunction, functions: dict[str, RegisteredFunction]) -> str:
    """Its triggers, or the function whose hook it is; empty of neither."""
    parent, moment = hook_of(function.fn_id, functions)
    return starts_on(function) or (f"on_{moment} of {parent}" if parent else "")


def turns(function: RegisteredFunction) -> str:
    """“1 at a time per event.data.userId”; empty without a limit."""
    return ", ".join(_turn(entry) for entry in entries(function, "concurrency"))


def sentences(
    function: RegisteredFunction, functions: dict[str, RegisteredFunction]
) -> Iterator[str]:
    """`functions` are all rows by id: the function may be a hook."""
    if starts := starts_on(function):
        yield f"Starts on {starts}."
    parent, moment = hook_of(function.fn_id, functions)
    if parent:
        yield f"Starts when a run of {parent} {MOMENTS[moment]}: it is its on_{moment}."
    if not starts and not parent:
        yield "Nothing starts it but other functions, which invoke it, and operators."
    yield from _data(entries(function, "triggers"))
    limit = turns(function)
    yield f"Runs {limit}." if limit else "Any number of its runs are under way at a time."
    if (retries := retries_of(function)) is not None:
        yield _retries(retries, config_of(function).get("backoff"))
    if config_of(function).get("resumable") is False:
        yield (
            "A run that has failed or was cancelled does not go on where it stopped: it is rerun "
            "from the start."
        )
    yield from _timeouts(config_of(function).get("timeouts"))
    yield from _cancels(entries(function, "cancel_on"))
    for moment, change in MOMENTS.items():
        if hook := config_of(function).get(f"on_{moment}"):
            yield f"When a run of it {change}, {hook} starts."


def _trigger(entry: Any) -> str:
    if not isinstance(entry, dict):
        return str(entry)
    what = f"event “{entry['event']}”" if entry.get("event") else f"cron {entry.get('cron')}"
    if entry.get("if_running") == "skip":
        what += ", but not while a run is unfinished"
    return f"{what} if {entry['if']}" if entry.get("if") else what


def _data(triggers: Iterable[Any]) -> Iterator[str]:
    for entry in triggers:
        if isinstance(entry, dict) and isinstance(entry.get("data"), dict):
            yield f"Event “{entry.get('event')}” holds {in_words(entry['data'])}."


def _turn(entry: Any) -> str:
    if not isinstance(entry, dict):
        return str(entry)
    return f"{entry.get('limit')} at a time" + (f" per {entry['key']}" if entry.get("key") else "")


def _retries(number: int, own: Any) -> str:
    if not number:
        return "A step that fails is not tried again: the run fails at once."
    table = own if isinstance(own, list) and own else conf.backoff()
    delays = [(table or TABLE)[min(n, len(table or TABLE) - 1)] for n in range(number)]
    listed = ", ".join(roughly(timedelta(seconds=float(delay))) for delay in delays[:SHOWN_DELAYS])
    more = ", …" if number > SHOWN_DELAYS else ""
    jitter = "" if table else f", and up to {JITTER:.0f} s more"
    times = "1 retry" if number == 1 else f"{number:,} retries"
    return f"A step that fails has {times}, after {listed}{more}{jitter}; then the run fails."


def _timeouts(given: Any) -> Iterator[str]:
    limits = given if isinstance(given, dict) else {}
    if isinstance(start := limits.get("start"), int | float):
        yield f"A run that has not started after {roughly(timedelta(seconds=start))} is cancelled."
    if isinstance(finish := limits.get("finish"), int | float):
        yield f"A run is cancelled {roughly(timedelta(seconds=finish))} after its start."


def _cancels(rules: Iterable[Any]) -> Iterator[str]:
    for rule in rules:
        if isinstance(rule, dict) and rule.get("event"):
            when = f" if {rule['if']}" if rule.get("if") else ""
            yield f"Event “{rule['event']}” cancels its unfinished runs{when}."
