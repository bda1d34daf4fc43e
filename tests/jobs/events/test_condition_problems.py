"""A condition or a key that has no value for an event is found in the panel, with the event: one
row for each expression, however many events come, and none that a sender waits for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from jobs import conf
from jobs.api import Cancel, Concurrency, Context, Event, TriggerEvent, rerun, send
from jobs.events import condition_problems, insertion
from jobs.maintenance import retention
from jobs.metrics import conditions
from jobs.metrics.overview import overview
from jobs.metrics.spans import SPANS
from jobs.models import ConditionProblem, Run
from jobs.models import Event as Stored
from jobs.registry.rows import sync
from jobs.testing import drain, travel
from tests.jobs.admin.people import staff
from tests.support.blocking import others
from tests.support.functions import registered
from tests.support.rows import make_cluster

pytestmark = pytest.mark.django_db(transaction=True)

MORE_THAN_3 = TriggerEvent(event="test/go", if_exp="event.data.n > 3")


@pytest.fixture(autouse=True)
def a_new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(condition_problems, "_counted", {})
    monkeypatch.setattr(condition_problems, "_written", {})


@pytest.fixture
def each_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(condition_problems, "GAP", 0.0)
    monkeypatch.setattr(condition_problems, "ABSENT_GAP", 0.0)


def naps(ctx: Context) -> None:
    ctx.step.sleep("nap", 3600)


def go(n: Any = "many", **event: Any) -> Stored:
    """An event for which “event.data.n > 3” has no value, unless said."""
    send(Event(name="test/go", data={} if n is None else {"n": n}, **event))
    return Stored.objects.latest("id")


def the_problem() -> ConditionProblem:
    return ConditionProblem.objects.get()


# --- one row, whatever comes ----------------------------------------------------------------------


def test_a_trigger_leaves_a_row_with_the_event_and_the_reason() -> None:
    with registered(naps, trigger=MORE_THAN_3):
        event = go(id="an id of the sender's")
    found = the_problem()
    assert (found.fn_id, found.place, found.expression) == (
        "test-function",
        "trigger",
        "event.data.n > 3",
    )
    assert (found.event_id, found.count, found.is_mistake) == (event.id, 1, True)
    assert "“event.data.n > 3” has no value here" in found.reason


def test_many_events_are_one_row_that_counts_and_tells_of_the_last(each_is_told: None) -> None:
    with registered(naps, trigger=MORE_THAN_3):
        go()
        first_at = the_problem().first_at
        send([Event(name="test/go", data={"n": "many"}) for _ in range(5)])
        last = go()
        go(n=4)
    found = the_problem()
    assert (found.count, found.event_id, found.first_at) == (7, last.id, first_at)
    assert Run.objects.count() == 1


def test_a_process_counts_what_comes_in_between_and_writes_it_with_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with registered(naps, trigger=MORE_THAN_3):
        go()
        with CaptureQueriesContext(connection) as queries:
            for _ in range(20):
                go()
        assert not any("jobs_conditionproblem" in query["sql"] for query in queries)
        assert the_problem().count == 1
        monkeypatch.setattr(condition_problems, "GAP", 0.0)
        go()
    assert the_problem().count == 22


def test_a_field_that_is_absent_is_counted_apart_from_a_mistake(each_is_told: None) -> None:
    with registered(naps, trigger=MORE_THAN_3):
        go(n=None)
        go(n="many")
        go(n=None)
        go(n=1)
    rows = ConditionProblem.objects.order_by("is_mistake")
    assert list(rows.values_list("is_mistake", "count")) == [(False, 2), (True, 1)]


def test_a_key_that_cannot_be_evaluated_leaves_one_too_also_of_invoked_runs_and_reruns(
    each_is_told: None,
) -> None:
    def parent(ctx: Context) -> None:
        ctx.step.invoke("ask", function="child", data={})

    per_user = [Concurrency(limit=1, key="event.data.userId")]
    with (
        registered(parent),
        registered(lambda ctx: None, fn_id="child", trigger=[], concurrency=per_user),
    ):
        send(Event(name="test/go"))
        drain()
        assert the_problem().count == 1
        rerun(Run.objects.get(fn_id="child").id, from_start=True)
    found = the_problem()
    assert (found.fn_id, found.place, found.count) == ("child", "key", 2)
    assert found.event_id == Run.objects.filter(fn_id="child").latest("id").event_id
    assert "'userId' is not there" in found.reason


def test_cancel_on_leaves_one_with_the_event_that_came(each_is_told: None) -> None:
    rule = Cancel(event="test/stop", if_exp="async.data.n > event.data.n")
    with registered(naps, cancel_on=[rule]):
        go(n=1)
        go(n=2)
        drain()
        send(Event(name="test/stop", data={"n": "many"}))
        drain()
    found = the_problem()
    assert (found.place, found.count) == ("cancel_on", 2)
    assert Stored.objects.get(id=found.event_id).name == "test/stop"


# --- in no sender's way ---------------------------------------------------------------------------


def test_what_is_rolled_back_is_not_told() -> None:
    with registered(naps, trigger=MORE_THAN_3):
        with transaction.atomic():
            go()
            transaction.set_rollback(True)
        assert not ConditionProblem.objects.exists()
        with transaction.atomic():
            event = go()
            assert not ConditionProblem.objects.exists()
    assert (the_problem().count, the_problem().event_id) == (1, event.id)


def test_an_event_that_cannot_be_inserted_is_not_told_with_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with registered(naps, trigger=MORE_THAN_3):
        with monkeypatch.context() as patch:
            patch.setitem(insertion.TEXT, insertion.EVENTS, "SELECT 1 / 0")
            with pytest.raises(DatabaseError):
                go()
        go(n=1)
    assert not ConditionProblem.objects.exists()


def test_senders_in_transactions_do_not_wait_for_each_other(each_is_told: None) -> None:
    with registered(naps, trigger=MORE_THAN_3), others() as start, transaction.atomic():
        go()
        start(go).result(timeout=30)
    assert the_problem().count == 2


def test_a_send_in_a_step_tells_after_the_steps_commit(each_is_told: None) -> None:
    def sender(ctx: Context) -> None:
        ctx.step.send_event("tell", [Event(name="test/other", data={"n": "many"})])

    other = TriggerEvent(event="test/other", if_exp="event.data.n > 3")
    with registered(sender), registered(naps, fn_id="other", trigger=other):
        send(Event(name="test/go"))
        drain()
    assert (the_problem().fn_id, Run.objects.get().status) == ("other", "completed")


def test_a_table_that_cannot_be_written_disturbs_no_sender(
    monkeypatch: pytest.MonkeyPatch, each_is_told: None
) -> None:
    with registered(naps, trigger=MORE_THAN_3):
        with monkeypatch.context() as patch:
            patch.setattr(condition_problems, "WRITE", "SELECT 1 / 0")
            go()
            with transaction.atomic():
                go()
        assert Stored.objects.count() == 2
        go()
    assert the_problem().count == 3


# --- found by an operator -------------------------------------------------------------------------


@pytest.fixture
def told(each_is_told: None) -> Iterator[Stored]:
    make_cluster(pulse={"looked": 1.0, "claimed": 1.0, "problem": "", "at_work": 1, "workers": 2})
    with registered(naps, trigger=MORE_THAN_3):
        sync()
        yield go()


def needs() -> list[str]:
    return [str(need) for need in overview(SPANS["1h"]).needs if need.code == "conditions"]


def function_page(client: Client) -> str:
    url = reverse("admin:jobs_registeredfunction_change", args=["test-function"])
    return client.get(url).content.decode()


def test_operations_says_it_and_leads_to_the_function_that_links_the_event(
    admin_client: Client, told: Stored
) -> None:
    (need,) = needs()
    assert "A condition of test-function cannot be evaluated: “event.data.n > 3” (trigger)" in need
    first = admin_client.get(reverse("admin:index")).content.decode()
    page = reverse("admin:jobs_registeredfunction_change", args=["test-function"])
    assert f'href="{page}#jobs-conditions"' in first
    text = function_page(admin_client).split('id="jobs-conditions"')[1].split("</section>")[0]
    assert f'href="{reverse("admin:jobs_event_change", args=[told.pk])}"' in text
    assert "cannot be evaluated: once" in text
    assert "has no value here" in text


def test_an_absent_field_stands_on_the_functions_page_alone(
    admin_client: Client, each_is_told: None
) -> None:
    with registered(naps, trigger=MORE_THAN_3):
        sync()
        go(n=None)
        assert needs() == []
        assert "reads a field that was not there: once" in function_page(admin_client)


def test_what_the_reason_quotes_is_for_accounts_that_may_see_payloads(told: Stored) -> None:
    viewer = staff()
    assert "has no value here" in function_page(viewer)
    viewer = staff(name="other")
    user = viewer.get(reverse("admin:index")).wsgi_request.user
    user.user_permissions.remove(user.user_permissions.get(codename="view_payload"))
    text = function_page(viewer)
    assert "cannot be evaluated" in text
    assert "has no value here" not in text


def test_it_is_gone_when_the_condition_is_mended_and_a_day_after_the_last_event(
    told: Stored,
) -> None:
    travel(timedelta(hours=23))
    assert len(needs()) == 1
    travel(timedelta(hours=2))
    assert needs() == []
    go()
    assert len(needs()) == 1
    with registered(naps, trigger=TriggerEvent(event="test/go"), fn_id="another"):
        conditions.RegisteredFunction.objects.update(config={"triggers": [{"event": "test/go"}]})
        assert needs() == []


def test_rows_are_forgotten_with_what_they_tell_of(told: Stored) -> None:
    travel(conf.retention() - timedelta(minutes=1))
    retention.delete_ended()
    assert ConditionProblem.objects.exists()
    travel(timedelta(minutes=2))
    retention.delete_ended()
    assert not ConditionProblem.objects.exists()
