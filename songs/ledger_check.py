"""Whether the sum of all entries is the sum of all balances, and what the ledger says of an hour.

A look at the whole ledger reads all of it. The function `check-ledger` does that once an hour, the
panel shows what it found and when, and an operator may ask for another look once a minute.

1. One statement reads both sums, so in one snapshot: an entry and its balance are one commit.
2. The entries of an account that has left sum to zero.
3. Hours are summed again for six hours, longer than a transaction lasts, so entries that were
   committed late are in them. The current hour is not summed: `ledger_totals` reads its entries.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models.functions import Now

from songs.models import LedgerCheck

MAX_KEPT = 1_000  # checks
SOONEST = timedelta(minutes=1)  # for a look that an operator asks for
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('songs.ledger_check', 0))"

COMPARE = """
WITH booked AS (
  SELECT user_id, former, count(*) AS entries, sum(amount) AS amount
    FROM songs_creditentry GROUP BY user_id, former),
compared AS (
  SELECT account.id, account.credits, coalesce(booked.entries, 0) AS entries,
         coalesce(booked.amount, 0) AS amount
    FROM songs_user AS account LEFT JOIN booked ON booked.user_id = account.id
  UNION ALL
  SELECT NULL, 0, entries, amount FROM booked WHERE user_id IS NULL)
SELECT coalesce(sum(entries), 0)::bigint, coalesce(sum(amount), 0)::bigint,
       coalesce(sum(credits), 0)::bigint, count(*) FILTER (WHERE credits > 0),
       count(*) FILTER (WHERE credits <> amount),
       ARRAY(SELECT id FROM compared
              WHERE credits <> amount AND id IS NOT NULL ORDER BY id LIMIT 20)
  FROM compared
"""
FIELDS = ("entries", "booked", "outstanding", "holders", "wrong", "examples")

SUM_HOURS = """
WITH since AS (SELECT max(hour) - interval '6 hours' AS hour FROM songs_ledgerhour)
INSERT INTO songs_ledgerhour (hour, kind, entries, amount)
SELECT date_trunc('hour', at, 'UTC'), kind, count(*), sum(amount)
  FROM songs_creditentry
 WHERE at >= coalesce((SELECT hour FROM since), '-infinity')
   AND at < date_trunc('hour', statement_timestamp(), 'UTC')
 GROUP BY 1, 2
ON CONFLICT (hour, kind) DO UPDATE SET entries = EXCLUDED.entries, amount = EXCLUDED.amount
"""


@transaction.atomic(savepoint=False)  # a step already has a transaction
def check() -> LedgerCheck:
    """Look at the whole ledger, keep what was found, and sum the hours that have passed."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK)
        cursor.execute(COMPARE)
        found: dict[str, Any] = dict(zip(FIELDS, cursor.fetchone(), strict=True))
        cursor.execute(SUM_HOURS)
    made = LedgerCheck.objects.create(**found)
    LedgerCheck.objects.filter(pk__lte=made.pk - MAX_KEPT).delete()
    made.refresh_from_db()  # the time is the database's
    return made


@transaction.atomic
def check_now() -> LedgerCheck:
    """The last check if it is less than a minute old, else a new one. Two at once are one."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK)
    recent = LedgerCheck.objects.filter(checked_at__gte=Now() - SOONEST).first()
    return recent or check()


def last_check() -> LedgerCheck | None:
    return LedgerCheck.objects.first()


def in_words(found: LedgerCheck) -> str:
    """What a check found, in one sentence."""
    if found.is_right:
        return f"All {found.entries:,} entries sum to all balances: {found.booked:,} credits."
    accounts = "1 account has" if found.wrong == 1 else f"{found.wrong:,} accounts have"
    return (
        f"All {found.entries:,} entries sum to {found.booked:,} credits, and all balances to "
        f"{found.outstanding:,}: {accounts} a balance that is not the sum of its entries."
    )
