"""Count in the database: what was done in a window, and what was refused.

1. `TAKE` adds and decides in one statement. A row is locked for as long as the statement takes, so
   call it outside the transaction of what is counted: the row of the whole site would make all
   orders wait for each other.
2. It then commits without waiting for the disk. A power cut may forget the last counts.
3. Rows are locked in one order, rule by rule: two statements never wait for each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

from django.db import connection

from songs.limits.rules import HOUR, MAKING, Rule

ORIGIN = 0  # seconds since 1970, where all windows begin: days at midnight, UTC

# `rows` is a line for each rule (`_statement`). Names and spans stand in the text, which PostgreSQL
# plans three times as fast as arrays.
ROWS = """
  FROM (SELECT set_config('synchronous_commit', CASE WHEN %(is_alone)s THEN 'off'
               ELSE current_setting('synchronous_commit') END, true)) AS without_the_disk,
       (SELECT extract(epoch FROM clock_timestamp())::bigint - %(origin)s AS seconds) AS now,
       LATERAL (VALUES {rows}) AS a (rule, subject, at, span, most, amount)
"""
ROW = """
  ('{name}', %(subject{n})s, now.seconds / {span} * {span} + %(origin)s, {span},
   coalesce((SELECT most FROM songs_limit WHERE name = '{name}'), %(most{n})s::int), %(amount{n})s)
"""
WINDOW = "a.rule, a.subject, to_timestamp(a.at), to_timestamp(a.at + a.span), a.most"
SET_BY_OPERATORS = "SELECT name, most FROM songs_limit WHERE most IS NOT NULL"

TAKE = f"""
INSERT INTO songs_limitcount AS known (rule, subject, starts_at, ends_at, most, count, refused)
SELECT {WINDOW}, a.amount, 0
  {ROWS}
 WHERE coalesce(a.most, 1) > 0
 ORDER BY a.rule, a.subject
ON CONFLICT (rule, subject, starts_at) DO UPDATE
   SET count = known.count + excluded.count, most = excluded.most
 WHERE known.count < excluded.most OR excluded.most IS NULL
RETURNING rule, starts_at, known.most, count,
          extract(epoch FROM ends_at - clock_timestamp())::float AS left_over,
          (SELECT l.most FROM songs_limit l WHERE l.name = '{MAKING.name}') AS making
"""  # noqa: S608

# What refused is kept beside the counts, which go on: the limit of that moment, and the number that
# had reached it. Of `making`, which counts nothing here, the number is given.
NOTE = f"""
INSERT INTO songs_limitcount AS known
       (rule, subject, starts_at, ends_at, most, count,
        refused, refused_at, refused_most, refused_count)
SELECT {WINDOW}, 0, 1, clock_timestamp(), a.most, a.amount
  {ROWS}
 ORDER BY a.rule, a.subject
ON CONFLICT (rule, subject, starts_at) DO UPDATE
   SET refused = known.refused + 1, most = excluded.most, refused_at = excluded.refused_at,
       refused_most = excluded.refused_most,
       refused_count = greatest(known.count, excluded.refused_count)
RETURNING rule, known.most, refused_count, starts_at, ends_at,
          extract(epoch FROM ends_at - clock_timestamp())::float
"""  # noqa: S608

GIVE_BACK = """
WITH given AS MATERIALIZED (
  SELECT known.id, g.amount
    FROM songs_limitcount known
    JOIN unnest(%(rules)s::text[], %(subjects)s::text[], %(starts)s::timestamptz[],
                %(amounts)s::int[]) AS g (rule, subject, starts_at, amount)
      ON (known.rule, known.subject, known.starts_at) = (g.rule, g.subject, g.starts_at)
   ORDER BY known.rule, known.subject
     FOR UPDATE OF known)
UPDATE songs_limitcount SET count = greatest(count - given.amount, 0)
  FROM given WHERE songs_limitcount.id = given.id
"""


@dataclass(frozen=True)
class Asked:
    """So many more of a rule for a subject: an account's id, a network, `*` for the whole site."""

    rule: Rule
    subject: str
    amount: int = 1


@dataclass(frozen=True)
class Taken:
    """What was granted: `amount` of what was asked, until the window ends in `seconds`."""

    asked: Asked
    starts_at: datetime
    most: int | None
    amount: int
    seconds: float
    making: int | None  # what an operator has set for songs in the making


@dataclass(frozen=True)
class Full:
    """A limit that is reached, and when its window ends: the moment, and in how many seconds."""

    rule: Rule
    most: int
    seconds: float
    ends_at: datetime


def take(asked: Sequence[Asked]) -> list[Taken]:
    """Add what is asked, and return what was granted: rules that are full are left out."""
    granted = {rule: facts for rule, *facts in _rows(TAKE, asked)}
    return [_taken(one, *granted[one.rule.name]) for one in asked if one.rule.name in granted]


def _taken(
    one: Asked, starts_at: datetime, most: int | None, count: int, seconds: float, making: int
) -> Taken:
    """`count - amount` was there before, and less than `most`."""
    amount = one.amount if most is None else min(one.amount, most - count + one.amount)
    return Taken(one, starts_at, most, amount, max(seconds, 0.0), making)


def note(asked: Sequence[Asked], reached: int = 0) -> list[Full]:
    """Remember for operators that these were refused. `reached` is what a rule without windows has
    counted."""
    rules = {one.rule.name: one.rule for one in asked}
    found = _rows(NOTE, [replace(one, amount=reached) for one in asked])
    return [_full(rules[name], *row) for name, *row in found]


def _full(
    rule: Rule, most: int | None, count: int, starts_at: datetime, ends_at: datetime, left: float
) -> Full:
    """The window may have ended between the refusal and the note: the next one has begun."""
    if most is None or count < most:
        return Full(rule, most or count + 1, 0.0, starts_at)
    return Full(rule, most, left, ends_at)


def set_by_operators() -> dict[str, int]:
    """The limits that operators have set, by name."""
    with connection.cursor() as cursor:
        cursor.execute(SET_BY_OPERATORS)
        return dict(cursor.fetchall())


def give_back(taken: Iterable[Taken]) -> None:
    """Take off again what was not needed. The window may have ended since."""
    rows = list(taken)
    values: dict[str, Any] = {
        "rules": [row.asked.rule.name for row in rows],
        "subjects": [row.asked.subject for row in rows],
        "starts": [row.starts_at for row in rows],
        "amounts": [row.amount for row in rows],
    }
    with connection.cursor() as cursor:
        cursor.execute(GIVE_BACK, values)


def _rows(statement: str, asked: Sequence[Asked]) -> list[tuple[Any, ...]]:
    values: dict[str, Any] = {"origin": ORIGIN, "is_alone": not connection.in_atomic_block}
    for n, one in enumerate(asked):
        values |= {
            f"subject{n}": one.subject,
            f"most{n}": one.rule.default,
            f"amount{n}": one.amount,
        }
    with connection.cursor() as cursor:
        cursor.execute(_statement(statement, tuple(one.rule for one in asked)), values)
        return list(cursor.fetchall())


@cache
def _statement(statement: str, rules: tuple[Rule, ...]) -> str:
    rows = [
        ROW.format(n=n, name=rule.name, span=int((rule.span or HOUR).total_seconds()))
        for n, rule in enumerate(rules)
    ]
    return statement.replace("{rows}", ",".join(rows))
