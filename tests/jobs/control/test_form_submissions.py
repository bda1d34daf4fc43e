"""A form acts once: its token, with what it asks for, is unique in the transaction of the act."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from jobs.api import Outcome, StaleForm, once
from jobs.control.form_submissions import TOKEN_LIFE, sent, token_for_form
from jobs.ids import new_id
from jobs.maintenance import retention
from jobs.models import Submission
from jobs.testing import travel
from tests.support.blocking import others, wait_until_blocked
from tests.support.functions import Diary, at_once
from tests.support.rows import id_at, now

pytestmark = pytest.mark.django_db
LOST = [None, "", "nonsense", "\x00", "x" * 100_000, str(uuid.UUID(int=0))]


def send(diary: Diary, token: Any, **options: Any) -> Outcome:
    """A form of “7” that asks for “a gift”, unless said."""
    given = {"action": "test.give", "account": 7, "asked": {"what": "a gift"}} | options
    return once(lambda: diary.write(f"act {len(diary.entries) + 1}"), token=token, **given)


def test_the_same_form_acts_once_and_is_told_what_came_of_it() -> None:
    diary, token = Diary(), new_id()
    assert send(diary, token) == Outcome("act 1", is_repeat=False)
    assert send(diary, str(token)) == Outcome("act 1", is_repeat=True)
    assert diary.entries == ["act 1"]


@pytest.mark.parametrize(
    "other",
    [
        {"asked": {"what": "a larger gift"}},
        {"action": "test.take"},
        {"account": 8},
    ],
    ids=["content", "action", "account"],
)
def test_what_is_other_than_before_is_another_act_and_is_done_once_too(
    other: dict[str, Any],
) -> None:
    diary, token = Diary(), new_id()
    send(diary, token)
    assert send(diary, token, **other) == Outcome("act 2", is_repeat=False)
    assert send(diary, token, **other) == Outcome("act 2", is_repeat=True)
    assert send(diary, token) == Outcome("act 1", is_repeat=True)


def test_the_order_of_names_makes_no_other_content() -> None:
    diary, token = Diary(), new_id()
    send(diary, token, asked={"a": 1, "b": 2})
    assert send(diary, token, asked={"b": 2, "a": 1}).is_repeat


def test_true_and_one_are_two_contents() -> None:
    diary, token = Diary(), new_id()
    send(diary, token, asked=1)
    assert not send(diary, token, asked=True).is_repeat


def test_two_forms_are_two_acts() -> None:
    diary = Diary()
    assert [send(diary, new_id()).result for _ in range(2)] == ["act 1", "act 2"]


def test_an_act_that_fails_is_not_remembered_and_the_form_can_be_sent_again() -> None:
    diary, token = Diary(), new_id()
    with pytest.raises(ZeroDivisionError):
        once(lambda: 1 / 0, token=token, action="test.give", account=7, asked={"what": "a gift"})
    assert not Submission.objects.exists()
    assert not send(diary, token).is_repeat


def test_act_and_memory_vanish_with_the_callers_transaction() -> None:
    diary, token = Diary(), new_id()
    with transaction.atomic():
        send(diary, token)
        transaction.set_rollback(True)
    assert not send(diary, token).is_repeat


@pytest.mark.django_db(transaction=True)
def test_of_many_sendings_at_once_one_acts_and_all_are_told_the_same() -> None:
    diary, token = Diary(), new_id()
    outcomes = at_once(*[lambda: send(diary, token)] * 6)
    assert diary.entries == ["act 1"]
    assert {outcome.result for outcome in outcomes} == {"act 1"}
    assert sum(outcome.is_repeat for outcome in outcomes) == 5


@pytest.mark.django_db(transaction=True)
def test_a_sending_that_waited_for_one_that_failed_acts_itself() -> None:
    diary, token = Diary(), new_id()

    def fail_while_the_other_waits() -> None:
        other.append(start(lambda: send(diary, token)))
        wait_until_blocked(1)
        raise ZeroDivisionError

    other: list[Any] = []
    with others() as start:
        with pytest.raises(ZeroDivisionError):
            once(
                fail_while_the_other_waits,
                token=token,
                action="test.give",
                account=7,
                asked={"what": "a gift"},
            )
        assert other[0].result(10) == Outcome("act 1", is_repeat=False)


@pytest.mark.parametrize("token", LOST)
def test_a_form_that_lost_its_token_is_known_by_its_content_for_ten_minutes(token: Any) -> None:
    diary = Diary()
    assert [send(diary, token).result for _ in range(2)] == ["act 1", "act 1"]
    assert send(diary, token, asked="something else").result == "act 2"
    assert send(diary, token, account=8).result == "act 3"
    travel(timedelta(minutes=9))
    assert send(diary, token).is_repeat
    travel(timedelta(minutes=2))
    assert send(diary, token) == Outcome("act 4", is_repeat=False)
    assert send(diary, token) == Outcome("act 4", is_repeat=True)


@pytest.mark.parametrize("token", LOST)
def test_without_a_token_an_act_that_its_state_guards_is_simply_done(token: Any) -> None:
    diary = Diary()
    for number in (1, 2):
        assert send(diary, token, is_guarded=True) == Outcome(f"act {number}", is_repeat=False)


def test_with_its_token_a_guarded_act_is_done_once() -> None:
    diary, token = Diary(), new_id()
    assert send(diary, token, is_guarded=True) == Outcome("act 1", is_repeat=False)
    assert send(diary, token, is_guarded=True) == Outcome("act 1", is_repeat=True)


@pytest.mark.parametrize("off", [TOKEN_LIFE + timedelta(hours=1), -timedelta(days=2)])
def test_a_token_whose_time_is_not_now_is_refused_with_a_sentence(off: timedelta) -> None:
    diary = Diary()
    with pytest.raises(StaleForm, match=r"opened more than 7 days ago, .* Nothing was done"):
        send(diary, id_at(now() - off))
    assert diary.entries == []


def test_a_token_is_good_for_as_long_as_it_is_said() -> None:
    diary, token = Diary(), id_at(now() - TOKEN_LIFE + timedelta(hours=1))
    assert [send(diary, token).is_repeat for _ in range(2)] == [False, True]


def test_a_token_that_a_client_made_itself_is_taken() -> None:
    diary, token = Diary(), uuid.uuid4()
    assert [send(diary, token).is_repeat for _ in range(2)] == [False, True]


@pytest.mark.parametrize("days", [0, 1, 30])
def test_a_form_is_known_for_longer_than_its_token_lives_and_then_forgotten(
    settings: Any, days: int
) -> None:
    settings.JOBS = {**settings.JOBS, "RETENTION_DAYS": days, "RETENTION_BATCH": 2}
    diary, token = Diary(), uuid.uuid4()
    for word in range(5):
        send(diary, token, asked=word)
    travel(TOKEN_LIFE + timedelta(hours=1))
    retention.delete_ended()
    assert send(diary, token, asked=0).is_repeat
    travel(timedelta(days=1))
    retention.delete_ended()
    assert not Submission.objects.exists()


def test_more_than_one_round_can_forget_is_left_to_the_next(settings: Any) -> None:
    settings.JOBS = {**settings.JOBS, "RETENTION_BATCH": 1}
    for word in range(3):
        send(Diary(), new_id(), asked=word)
    travel(timedelta(days=9))
    assert retention.delete_ended(batches=2)["more"]
    assert not retention.delete_ended(batches=2)["more"]
    assert not Submission.objects.exists()


def test_how_much_a_form_has_done_is_counted() -> None:
    token = str(new_id())
    for word in range(3):
        send(Diary(), token, asked=word)
    send(Diary(), new_id())
    assert sent(token=token, action="test.give", account=7) == 3
    assert sent(token=None, action="test.give", account=7) == 0


def test_a_form_that_comes_back_keeps_its_token_while_that_is_good() -> None:
    good, old = str(new_id()), str(id_at(now() - TOKEN_LIFE - timedelta(hours=1)))
    assert token_for_form(good) == good
    for useless in (*filter(None, LOST), old):
        assert uuid.UUID(token_for_form(useless)).version == 7
        assert token_for_form(useless) != useless
