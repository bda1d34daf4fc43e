"""Senders of many ids: PostgreSQL's table of locks, as it is by default, has room for all sessions
together for some seven thousand."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

from jobs.api import Event, send
from jobs.errors import InvalidEvent
from jobs.events.deduplication import BUCKETS, MAX_OWN_LOCKS
from jobs.models import Event as EventRow
from tests.support.blocking import Uncommitted, others, wait_until_blocked
from tests.support.functions import at_once

pytestmark = pytest.mark.django_db(transaction=True)

MANY = MAX_OWN_LOCKS + 1


def events(prefix: str, count: int) -> list[Event]:
    return [Event(name="test/listed", id=f"{prefix}-{n}") for n in range(count)]


def send_in_two(first: list[Event], second: list[Event]) -> list[list[str]]:
    with transaction.atomic():
        return [send(first), send(second)]


def locks() -> int:
    """How many of the locks are this session's."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


# --- the size of the table ------------------------------------------------------------------------


def test_three_senders_of_5000_ids_at_once_are_all_accepted():
    answers = at_once(*[lambda n=n: send(events(f"sender-{n}", 5000)) for n in range(3)])

    assert [len(answer) for answer in answers] == [5000, 5000, 5000]
    assert EventRow.objects.count() == 15_000


def test_a_long_list_takes_a_bounded_number_of_locks():
    with transaction.atomic():
        send(events("order", 1000))
        assert locks() <= BUCKETS


def test_ids_that_are_sent_one_by_one_in_a_transaction_take_no_more():
    with transaction.atomic():
        for event in events("order", 600):
            send(event)
        assert locks() <= BUCKETS + 2 * MAX_OWN_LOCKS


def test_a_transaction_that_gets_over_few_takes_all_buckets():
    """Those that it takes later could deadlock."""
    with transaction.atomic():
        for event in events("order", MANY):
            send(event)
        assert locks() >= BUCKETS


def test_a_repeat_in_a_transaction_counts_once():
    """Else half as many of them would take all buckets."""
    send(events("order", MAX_OWN_LOCKS - 1))
    with transaction.atomic():
        for event in events("order", MAX_OWN_LOCKS - 1):
            send(event)
        assert locks() < 2 * MAX_OWN_LOCKS


def test_beside_senders_of_few_a_long_list_takes_few_more():
    with Uncommitted(lambda: send(events("few", 2))), transaction.atomic():
        send(events("order", 1000))
        assert BUCKETS < locks() < 2 * BUCKETS


def test_what_a_savepoint_took_back_does_not_count():
    with transaction.atomic():
        for _ in range(3):
            with transaction.atomic():
                send(events("order", MAX_OWN_LOCKS))
                transaction.set_rollback(True)
        send(events("order", MAX_OWN_LOCKS))
        assert MAX_OWN_LOCKS < locks() <= 2 * MAX_OWN_LOCKS


# --- senders of one id take turns -----------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), [(2, MANY), (MANY, 2), (MANY, MANY), (2, 2)])
def test_the_second_sender_of_an_id_waits_and_is_told_the_first(first: int, second: int):
    told: list[list[str]] = []
    with others() as start:
        with Uncommitted(lambda: told.append(send(events("order", first)))):
            later = start(lambda: send(events("order", second)))
            wait_until_blocked(1)

        assert later.result()[:2] == told[0][:2]
    assert EventRow.objects.count() == max(first, second)


def test_an_id_is_taken_from_a_transaction_that_came_to_send_many():
    """It began with few, and shares their buckets with another."""
    with others() as start, Uncommitted(lambda: send(events("theirs", 40))):
        with Uncommitted(lambda: send_in_two(events("ours", 40), events("order", 1000))):
            later = start(lambda: send(events("order", 1000)))
            wait_until_blocked(1)

        assert len(later.result()) == 1000
    assert EventRow.objects.count() == 1080


# --- and no other sender does -------------------------------------------------------------------


def test_senders_of_few_do_not_wait_for_each_other():
    with Uncommitted(lambda: send(events("one", MAX_OWN_LOCKS))):
        assert len(send(events("other", MAX_OWN_LOCKS))) == MAX_OWN_LOCKS
        assert EventRow.objects.count() == MAX_OWN_LOCKS  # the one has not committed


def test_a_sender_of_many_does_not_wait_for_senders_of_few():
    with Uncommitted(lambda: send(events("few", MAX_OWN_LOCKS))):
        assert len(send(events("many", 1000))) == 1000
        assert EventRow.objects.count() == 1000  # those of few have not committed


def test_a_sender_that_came_before_one_of_many_goes_on_sending():
    """Else the two of them would wait for each other, over ids that they do not share."""
    with others() as start, transaction.atomic():
        send(events("few", 1))
        many = start(lambda: send_in_two(events("many", 1000), events("more", 1000)))
        assert [len(ids) for ids in many.result(timeout=30)] == [1000, 1000]
        assert len(send(events("few-more", 1))) == 1


@pytest.mark.parametrize("size", [2, MAX_OWN_LOCKS, MANY, 400])
def test_two_transactions_that_send_unrelated_lists_never_block_each_other_for_good(size: int):
    lists = [events(name, size) for name in "abcdefgh"]
    pairs = zip(lists[:4], lists[4:], strict=True)

    answers = at_once(*[lambda pair=pair: send_in_two(*pair) for pair in pairs])

    assert [isinstance(answer, Exception) for answer in answers] == [False] * 4
    assert EventRow.objects.count() == 8 * size


def test_a_list_and_a_transaction_that_sends_twice_may_have_one_id_in_common():
    with others() as start, transaction.atomic():
        (first,) = send(Event(name="test/listed", id="list-7"))
        answers = start(lambda: send(events("list", MANY)))
        wait_until_blocked(1)  # over the common id
        send(Event(name="test/listed", id="another"))
    assert answers.result(30)[7] == first


def test_after_a_refused_list_a_transaction_that_gets_over_few_takes_all_buckets():
    send(Event(name="test/listed", id="known"))
    with transaction.atomic():
        send(events("before", MAX_OWN_LOCKS - 5))
        with pytest.raises(InvalidEvent):
            send([Event(name="test/another", id="known"), *events("refused", 10)])
        send(events("after", 10))
        assert locks() >= BUCKETS
