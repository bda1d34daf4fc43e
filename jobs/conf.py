"""The engine's settings, `JOBS = {…}`, each with a default, read at each use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

SET_LEASE = 15.0
GATEWAY_LIMIT = 1000
GATEWAY_GRACE = 10.0
RETENTION_DAYS = 30
MAX_DAYS = 36_500
RETENTION_BATCH = 500
RUN_OUTPUT_LIMIT = 32 * 1024 * 1024  # as Inngest's for the state of a run
MAX_SECONDS = 86_400.0 * 366  # seconds
NAMES = (
    "LEASE",
    "BACKOFF",
    "SECRETS",
    "ALLOWED_HOSTS",
    "PRIVATE_HOSTS",
    "GATEWAY_LIMIT",
    "GATEWAY_PER_HOST",
    "GATEWAY_GRACE",
    "LISTEN",
    "RETENTION_DAYS",
    "RETENTION_BATCH",
    "VERSION",
    "RUN_LINKS",
    "RUNS_ABOUT",
    "RUN_SEARCH",
    "KIND_ACTS",
    "PANEL_COUNTS",
    "PANEL_CARDS",
    "RUN_OUTPUT_LIMIT",
    "PIPELINE",
    "PREPARE_STEPS",
)


def _setting(name: str, default: Any) -> Any:
    try:
        value = settings.JOBS.get(name)
    except AttributeError:  # no JOBS, or no dict (lib/settings_check.py)
        return default
    return default if value is None else value


def _number(name: str, default: float, least: float) -> float:
    value = _setting(name, default)
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not least <= value <= MAX_SECONDS
    ):
        raise ImproperlyConfigured(
            f'JOBS["{name}"] = {value!r}: a number of seconds from {least:g} to {MAX_SECONDS:.0f} '
            "(366 days) is allowed."
        )
    return float(value)


def _whole(name: str, default: int, what: str) -> int:
    value = _setting(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ImproperlyConfigured(
            f'JOBS["{name}"] = {value!r}: a whole number of {what} is allowed, at least 1.'
        )
    return value


def _yes_or_no(name: str, default: bool) -> bool:
    value = _setting(name, default)
    if not isinstance(value, bool):
        raise ImproperlyConfigured(f'JOBS["{name}"] = {value!r}: True or False is allowed.')
    return value


def lease() -> float:
    """Seconds of a silent worker's lease."""
    return _number("LEASE", SET_LEASE, 1.0)


def backoff() -> Sequence[float] | None:
    """Seconds before retry 1, 2, …; None for Inngest's table and its jitter."""
    table = _setting("BACKOFF", None)
    if table is None:
        return None
    if not isinstance(table, list | tuple) or not table or not all(map(_is_delay, table)):
        raise ImproperlyConfigured(
            f'JOBS["BACKOFF"] = {table!r}: a list of seconds or timedeltas is allowed, none of '
            "them negative or more than 366 days, or None."
        )
    return [d.total_seconds() if isinstance(d, timedelta) else float(d) for d in table]


def _is_delay(given: Any) -> bool:
    if isinstance(given, timedelta):
        given = given.total_seconds()
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    return is_number and 0 <= given <= MAX_SECONDS


def secrets() -> Sequence[str]:
    """Names of settings whose values never reach a row. Of what the check refuses, those that can
    be read: until it is mended they are masked.
    """
    given = _setting("SECRETS", ())
    names = given if isinstance(given, list | tuple | set | frozenset) else [given]
    return [name for name in names if isinstance(name, str)]


def checked_secrets() -> None:
    """The error shows no entry: it may be a secret itself."""
    given = _setting("SECRETS", ())
    if not isinstance(given, list | tuple | set | frozenset):
        raise ImproperlyConfigured(
            f'JOBS["SECRETS"] is of type {type(given).__name__}: a list of the names of settings '
            'is allowed, ["API_KEY"].'
        )
    for number, name in enumerate(given):
        if not isinstance(name, str) or not name.isidentifier() or not name.isupper():
            raise ImproperlyConfigured(
                f'JOBS["SECRETS"][{number}] is not the name of a setting. Write the name in '
                'capital letters, "API_KEY", and not its value.'
            )


def allowed_hosts() -> Sequence[str]:
    """Hosts, or host:port pairs, that `step.fetch` may call."""
    hosts: Sequence[str] = _setting("ALLOWED_HOSTS", ())
    return hosts


def private_hosts() -> Sequence[str]:
    """Allowed hosts whose names may lead to private addresses (address_policy.py)."""
    hosts: Sequence[str] = _setting("PRIVATE_HOSTS", ())
    return hosts


def gateway_limit() -> int:
    """Requests in flight per cluster."""
    return _whole("GATEWAY_LIMIT", GATEWAY_LIMIT, "requests in flight")


def gateway_per_host() -> int:
    """Per host: by default GATEWAY_LIMIT for one allowed host, else three quarters of it, so a
    silent host leaves room.
    """
    limit = gateway_limit()
    share = limit if len(allowed_hosts()) <= 1 else max(limit * 3 // 4, 1)
    return min(_whole("GATEWAY_PER_HOST", share, "requests in flight to one host"), limit)


def gateway_grace() -> float:
    """Seconds that a stopping cluster waits for requests in flight."""
    return _number("GATEWAY_GRACE", GATEWAY_GRACE, 0.0)


def prepare_steps() -> bool:
    """Whether PostgreSQL plans steps' statements once per worker's connection (step_cursor.py)."""
    return _yes_or_no("PREPARE_STEPS", False)


def pipeline() -> bool:
    """Whether the engine's statements use libpq's pipeline (pipeline_switch.py)."""
    return _yes_or_no("PIPELINE", True)


def listen() -> str | None:
    """The alias of a direct connection for LISTEN, beside a pool in transaction mode."""
    alias: str | None = _setting("LISTEN", None)
    if alias is None:
        return None
    there = settings.DATABASES.get(alias) if isinstance(alias, str) else None
    if there is None:
        known = ", ".join(sorted(settings.DATABASES))
        raise ImproperlyConfigured(
            f'JOBS["LISTEN"] = {alias!r}: the name of a database of DATABASES is allowed: {known}.'
        )
    if there.get("DISABLE_SERVER_SIDE_CURSORS"):
        raise ImproperlyConfigured(
            f'JOBS["LISTEN"] = {alias!r}: that connection goes through a pool in transaction mode '
            "(DISABLE_SERVER_SIDE_CURSORS), where LISTEN is not possible. Name a direct one."
        )
    return alias


def retention() -> timedelta | None:
    """How long ended runs and events are kept; None for ever."""
    days = _setting("RETENTION_DAYS", RETENTION_DAYS)
    if isinstance(days, bool) or not isinstance(days, int | float) or not 0 <= days <= MAX_DAYS:
        raise ImproperlyConfigured(
            f'JOBS["RETENTION_DAYS"] = {days!r}: a number of days from 0 (keep everything for '
            f"ever) to {MAX_DAYS:,} is allowed."
        )
    return timedelta(days=days) if days else None


def retention_batch() -> int:
    """Rows per transaction of retention."""
    return _whole("RETENTION_BATCH", RETENTION_BATCH, "rows")


def run_output_limit() -> int:
    """Bytes of JSON of a run's outputs together."""
    return _whole("RUN_OUTPUT_LIMIT", RUN_OUTPUT_LIMIT, "bytes")


def panel_cards() -> Sequence[str]:
    """Dotted paths of callables: the project's cards on Operations."""
    return _paths("PANEL_CARDS", _setting("PANEL_CARDS", ()))


def kind_acts() -> Sequence[str]:
    """Dotted paths of callables: what the project offers for a kind of failures."""
    return _paths("KIND_ACTS", _setting("KIND_ACTS", ()))


def panel_counts() -> tuple[str, str]:
    """A function's id, and in one word what its runs make: the first sentence of Operations counts
    these. Two empty texts: it counts all runs.
    """
    given = _setting("PANEL_COUNTS", ("", ""))
    if not (
        isinstance(given, list | tuple)
        and len(given) == 2
        and all(isinstance(text, str) for text in given)
    ):
        raise ImproperlyConfigured(
            f'JOBS["PANEL_COUNTS"] = {given!r}: a function\'s id and a noun are allowed, as in '
            '("make-song", "song").'
        )
    return given[0], given[1]


def run_links() -> str | None:
    """Dotted path of the callable that links a run to its subject."""
    return _path("RUN_LINKS", _setting("RUN_LINKS", None))


def runs_about() -> str | None:
    """Dotted path of the callable that names the subjects of a list's runs."""
    return _path("RUNS_ABOUT", _setting("RUNS_ABOUT", None))


def run_search() -> str | None:
    """Dotted path of the callable that interprets a search in that list."""
    return _path("RUN_SEARCH", _setting("RUN_SEARCH", None))


# The settings that name callables.
CALLABLES: dict[str, Callable[[], str | Sequence[str] | None]] = {
    "RUN_LINKS": run_links,
    "RUNS_ABOUT": runs_about,
    "RUN_SEARCH": run_search,
    "KIND_ACTS": kind_acts,
    "PANEL_CARDS": panel_cards,
}


def _paths(name: str, paths: Any) -> Sequence[str]:
    if not isinstance(paths, list | tuple) or not all(isinstance(path, str) for path in paths):
        raise ImproperlyConfigured(
            f'JOBS["{name}"] = {paths!r}: a list of dotted paths to callables is allowed.'
        )
    return list(paths)


def _path(name: str, value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise ImproperlyConfigured(
        f'JOBS["{name}"] = {value!r}: the dotted path of a callable is allowed.'
    )


def version() -> str:
    """The code's name in the panel: a commit, a release. Empty: a digest."""
    value = _setting("VERSION", "")
    if not isinstance(value, str) or len(value) > 64 or "\0" in value:
        raise ImproperlyConfigured(
            f'JOBS["VERSION"] = {value!r}: a text of at most 64 characters is allowed.'
        )
    return value
