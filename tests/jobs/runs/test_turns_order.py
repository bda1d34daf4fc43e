"""First come is first served, however long a transaction has waited for a line's lock."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

from jobs.api import Concurrency, cancel
from jobs.runs.claiming import claim_due
from jobs.runs.line_locks import lock
from jobs.testing import drain
from tests.support.blocking import others, wait_until_blocked
from tests.support.functions import Diary, go, nap, registered

pytestmark = pytest.mark.django_db(transaction=True)


def two_users_whose_lines_are_locked_in_this_order() -> tuple[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT array_agg(u ORDER BY hashtextextended('test-function:0:\"' || u || '\"', 0))"
            " FROM unnest(ARRAY['ann', 'bob']) u"
        )
        first, second = cursor.fetchone()[0]
    return first, second


def test_a_run_that_was_woken_while_a_later_one_waited_for_the_lock_is_not_overtaken():
    """A claimer of two lines waits for the first one's lock; meanwhile the turn of the second line
    is passed on to one who came before the run that it has in its hands."""
    first, second = two_users_whose_lines_are_locked_in_this_order()
    per_user = [Concurrency(limit=1, key="event.data.user")]
    with registered(nap(Diary()), concurrency=per_user):
        holder, next_one = go({"user": second}), go({"user": second})
        drain()
        go({"user": first})
        late = go({"user": second})
        with others() as other:
            with transaction.atomic():
                lock([f'test-function:0:"{first}"'], 0)
                claimed = other(lambda: claim_due(10))
                wait_until_blocked(1)
                assert other(lambda: cancel(holder.id)).result() is True
            claimed.result()
        drain()
        late.refresh_from_db()
        next_one.refresh_from_db()
    assert (next_one.turns_held, late.turns_held) == (1, 0)
