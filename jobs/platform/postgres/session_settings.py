"""Reports PostgreSQL settings, of server, database, role or `DATABASE_URL`, that do not suit the
engine. Behind a pool it could not change them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.db.backends.base.base import BaseDatabaseWrapper

SESSION = "SELECT name, setting, coalesce(' ' || unit, '') FROM pg_settings WHERE name = ANY(%s)"
MAX_WAIT = 10_000  # ms: one session's usual wait for another's atomic step
MAX_STATEMENT = 30_000  # ms; the engine's own take milliseconds, or seconds on a busy disk
MAX_PAUSE = 3_600_000  # ms without traffic, as at night


@dataclass(frozen=True)
class Rule:
    name: str
    suits: Callable[[str], bool]
    what: str
    hint: str
    id: str
    kind: type[Error] | type[Warning] = Warning

    def problem(self, value: str, unit: str) -> CheckMessage:
        return self.kind(f"{self.name} is {value}{unit}: {self.what}", hint=self.hint, id=self.id)


def _is_none_or(least: Callable[[], int]) -> Callable[[str], bool]:
    return lambda value: int(value) == 0 or int(value) >= least()


def _longest_step() -> int:
    return int(getattr(settings, "Q_CLUSTER", {}).get("timeout") or 0) * 1000


ISOLATION = Rule(
    "default_transaction_isolation",
    lambda value: value == "read committed",
    "what waits for its turn, or for another sender, then fails instead of going on, or does not "
    "see what the other one has done.",
    "Set it to 'read committed': ALTER ROLE … SET default_transaction_isolation = …",
    id="jobs.E015",
    kind=Error,
)
# Django's own, told to psycopg for each transaction.
OF_DJANGO = replace(
    ISOLATION,
    name="OPTIONS['isolation_level']",
    hint="Leave it out of DATABASES['default']['OPTIONS'].",
)
RULES = (
    ISOLATION,
    Rule(
        "default_transaction_read_only",
        lambda value: value == "off",
        "nothing can be written.",
        "ALTER ROLE … SET default_transaction_read_only = off, or name the writer.",
        id="jobs.E016",
        kind=Error,
    ),
    Rule(
        "server_encoding",
        lambda value: value == "UTF8",
        "data and errors with characters that it does not know cannot be kept.",
        "Make a database with ENCODING 'UTF8' TEMPLATE template0, and move there by pg_dump.",
        id="jobs.E029",
        kind=Error,
    ),
    Rule(
        "DateStyle",
        lambda value: value.upper().startswith("ISO"),
        "psycopg cannot read its times, and no run goes on.",
        "ALTER ROLE … SET datestyle = ISO; the database may say it, too.",
        id="jobs.E030",
        kind=Error,
    ),
    Rule(
        "IntervalStyle",
        lambda value: value == "postgres",
        "psycopg cannot read its spans of time.",
        "ALTER ROLE … SET intervalstyle = postgres; the database may say it, too.",
        id="jobs.E031",
        kind=Error,
    ),
    Rule(
        "array_nulls",
        lambda value: value == "on",
        "what is absent is written as the text NULL.",
        "ALTER ROLE … SET array_nulls = on; the database may say it, too.",
        id="jobs.E032",
        kind=Error,
    ),
    Rule(
        "synchronous_commit",
        lambda value: value != "off",
        "a crash of the server may lose what was accepted and paid a moment before.",
        "ALTER ROLE … SET synchronous_commit = on. The engine itself turns it off where it can.",
        id="jobs.W013",
    ),
    Rule(
        "lock_timeout",
        _is_none_or(lambda: MAX_WAIT),
        "a sender or an operator that waits for a long step gets an error.",
        f"Set it to 0, or to {MAX_WAIT} ms at least.",
        id="jobs.W014",
    ),
    Rule(
        "statement_timeout",
        _is_none_or(lambda: MAX_STATEMENT),
        "retention, bulk actions and steps may need longer on a busy disk, and fail then.",
        f"Set it to 0, or to {MAX_STATEMENT} ms at least.",
        id="jobs.W015",
    ),
    Rule(
        "idle_in_transaction_session_timeout",
        _is_none_or(_longest_step),
        "an atomic step that computes for longer loses its connection, and an attempt.",
        "Set it to 0, or to the longest step: Q_CLUSTER['timeout'] (STEP_TIMEOUT).",
        id="jobs.W016",
    ),
    Rule(
        "transaction_timeout",
        _is_none_or(_longest_step),
        "an atomic step that takes longer loses its connection, and an attempt.",
        "Set it to 0, or to the longest step: Q_CLUSTER['timeout'] (STEP_TIMEOUT).",
        id="jobs.W017",
    ),
    Rule(
        "idle_session_timeout",
        _is_none_or(lambda: MAX_PAUSE),
        "a worker that waits for a run, and a site that waits for a page, lose their connections.",
        f"Set it to 0, or to {MAX_PAUSE} ms at least.",
        id="jobs.W018",
    ),
)


def check(here: BaseDatabaseWrapper) -> list[CheckMessage]:
    with here.cursor() as cursor:
        cursor.execute(SESSION, [[rule.name for rule in RULES]])
        values = {name: (setting, unit) for name, setting, unit in cursor.fetchall()}
    level = here.isolation_level.name.replace("_", " ").lower()  # type: ignore[attr-defined]
    of_django = [] if OF_DJANGO.suits(level) else [OF_DJANGO.problem(level, "")]
    return of_django + [
        rule.problem(*values[rule.name])
        for rule in RULES
        if rule.name in values and not rule.suits(values[rule.name][0])
    ]
