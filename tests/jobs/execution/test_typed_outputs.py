"""What a step returns is written in JSON's forms and comes back so, the same at first as in every
replay; a type comes back where the author names it, checked before anything is committed.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

import pydantic
import pytest
from django.contrib.auth import get_user_model

from jobs.api import Context, Event, StepError, send
from jobs.models import Event as EventRow
from jobs.testing import drain, travel
from tests.support.functions import Diary, go, ran, registered, the_run

pytestmark = pytest.mark.django_db

NOON = datetime(2030, 1, 31, 12, 0, 0, 250_999, tzinfo=UTC)


class Colour(Enum):
    RED = "red"


@dataclass
class Order:
    id: uuid.UUID
    price: Decimal
    placed: datetime | None = None
    tags: list[Colour] = field(default_factory=list)


class Invoice(pydantic.BaseModel):
    price: Decimal
    order: Order


class Song:
    pass


ORDER = Order(uuid.UUID(int=7), Decimal("1.50"), NOON, [Colour.RED])
WRITTEN = {
    "id": "00000000-0000-0000-0000-000000000007",
    "price": "1.50",
    "placed": "2030-01-31T12:00:00.250Z",
    "tags": ["red"],
}
FORMS = {
    "a decimal": (Decimal("1.50"), "1.50"),
    "a datetime": (NOON, "2030-01-31T12:00:00.250Z"),
    "a datetime without a zone": (datetime(2030, 1, 31, 12), "2030-01-31T12:00:00"),
    "a date": (date(2030, 1, 31), "2030-01-31"),
    "a time": (time(12, 0, 1), "12:00:01"),
    "a duration": (timedelta(seconds=90), "P0DT00H01M30S"),
    "a uuid": (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    "a member": (Colour.RED, "red"),
    "a dataclass": (ORDER, WRITTEN),
    "a model": (
        Invoice(price=Decimal("3"), order=Order(uuid.UUID(int=7), Decimal("1.50"))),
        {"price": "3", "order": WRITTEN | {"placed": None, "tags": []}},
    ),
    "nested": (
        {"a": [ORDER, (Decimal(2), {"b": {date(2030, 1, 31): Colour.RED}})]},
        {"a": [WRITTEN, ["2", {"b": {"2030-01-31": "red"}}]]},
    ),
    "names": (
        {uuid.UUID(int=7): 1, Colour.RED: 2, Decimal("1.5"): 3},
        {"00000000-0000-0000-0000-000000000007": 1, "red": 2, "1.5": 3},
    ),
}


@pytest.mark.parametrize("atomic", [True, False])
@pytest.mark.parametrize(("value", "written"), FORMS.values(), ids=FORMS)
def test_it_comes_back_as_plain_json_at_first_and_in_every_replay(value, written, atomic):
    seen = []

    def handler(ctx: Context) -> Any:
        seen.append(ctx.step.run("one", lambda: value, atomic=atomic))
        ctx.step.sleep("nap", 60)
        return value

    with registered(handler):
        go()
        drain()
        travel(timedelta(minutes=1))
        drain()
    run = the_run()
    kept = [*seen, run.output, run.steps.get(name="one").output]
    assert len(seen) == 2
    assert {repr(one) for one in kept} == {repr(seen[0])}
    assert seen[0] == written


@pytest.mark.parametrize(("value", "written"), FORMS.values(), ids=FORMS)
def test_so_do_an_events_data_and_what_an_invoked_run_gets_and_gives(value, written, endpoint):
    def parent(ctx: Context) -> Any:
        told = ctx.step.invoke("ask", function="child", data={"value": value})
        body = ctx.step.fetch("post", endpoint.url, method="POST", json=[value])
        return [ctx.event.data["value"], told, body.status_code]

    def child(ctx: Context) -> Any:
        return {"got": ctx.event.data["value"], "gives": value}

    with registered(parent), registered(child, fn_id="child", trigger=[]):
        go({"value": value})
        drain()
    assert the_run().output == [written, {"got": written, "gives": written}, 200]
    assert endpoint.asked[0].json() == [written]


def test_an_event_may_be_a_record_itself():
    send(Event(name="test/placed", data=ORDER))
    send(Event(name="test/invoiced", data=Invoice(price=Decimal(3), order=ORDER)))
    placed, invoiced = EventRow.objects.order_by("id")
    assert placed.data == WRITTEN
    assert (invoiced.data["price"], invoiced.data["order"]["price"]) == ("3", "1.50")


TYPES = {
    "a decimal": (Decimal, Decimal("1.50")),
    "a datetime": (datetime, NOON.replace(microsecond=250_000)),
    "a uuid": (uuid.UUID, uuid.UUID(int=7)),
    "a member": (Colour, Colour.RED),
    "a dataclass": (Order, Order(uuid.UUID(int=7), Decimal("1.50"))),
    "dataclasses": (list[Order], [Order(uuid.UUID(int=7), Decimal("1.50"))]),
    "a model": (Invoice, Invoice(price=3, order=Order(uuid.UUID(int=7), Decimal("1.50")))),
}


@pytest.mark.parametrize(("kind", "value"), TYPES.values(), ids=TYPES)
def test_a_type_that_is_named_comes_back_at_first_and_in_every_replay(kind, value):
    seen = []

    def handler(ctx: Context) -> Any:
        seen.append(ctx.step.run("one", lambda: value, returns=kind))
        seen.append(ctx.step.invoke("ask", function="child", returns=kind))
        ctx.step.sleep("nap", 60)
        return None

    with registered(handler), registered(lambda ctx: value, fn_id="child", trigger=[]):
        go()
        drain()
        travel(timedelta(minutes=1))
        drain()
    assert the_run().status == "completed"
    assert len(seen) >= 4
    assert [(one, type(one)) for one in seen] == [(value, type(value))] * len(seen)


def test_what_the_function_changes_in_it_is_not_remembered():
    seen = []

    def handler(ctx: Context) -> None:
        told = ctx.step.run("one", lambda: {"tags": [1]}, returns=dict[str, list[int]])
        seen.append(list(told["tags"]))
        told["tags"].append(2)
        ctx.step.sleep("nap", 60)

    with registered(handler):
        go()
        drain()
        travel(timedelta(minutes=1))
        drain()
    assert seen == [[1], [1]]


def test_an_output_that_does_not_fit_fails_the_step_and_nothing_of_it_is_committed():
    users = get_user_model().objects

    def makes_a_user() -> dict[str, Any]:
        users.create_user("alice")
        return {"id": str(uuid.UUID(int=7)), "price": "free"}

    def handler(ctx: Context) -> str:
        try:
            ctx.step.run("one", makes_a_user, returns=Order)
        except StepError as error:
            return error.message
        return "fine"

    run = ran(handler, retries=3)
    assert run.output.startswith(
        "The output of step “one” does not fit Order: it.price is 'free'; a decimal number "
        "(“1.50”) is allowed. It was returned by tests.jobs.execution.test_typed_outputs."
    )
    assert run.attempts.count() == 1
    assert not users.exists()


def test_a_memory_that_does_not_fit_the_code_of_today_fails_the_run_and_says_where():
    handlers = [
        lambda ctx: (ctx.step.run("one", lambda: {"n": 1}), ctx.step.sleep("nap", 60)),
        lambda ctx: (ctx.step.run("one", dict, returns=Order), ctx.step.sleep("nap", 60)),
    ]
    for handler in handlers:
        with registered(handler, retries=3):
            if handler is handlers[0]:
                go()
            travel(timedelta(minutes=1))
            drain()
    run = the_run()
    assert (run.status, run.error["name"]) == ("failed", "InvalidOutput")
    assert run.error["message"].startswith(
        "What step “one” remembers does not fit Order: it.id is missing; a UUID is allowed"
    )


def pays_bytes() -> bytes:
    raise AssertionError("the money went out")


def pays_song() -> Song:
    raise AssertionError("the money went out")


def pays_songs() -> dict[str, list[Song | None]]:
    raise AssertionError("the money went out")


def pays_users() -> get_user_model():  # type: ignore[valid-type]
    raise AssertionError("the money went out")


@pytest.mark.parametrize("pays", [pays_bytes, pays_song, pays_songs, pays_users])
def test_a_body_that_is_said_to_return_what_cannot_be_kept_is_not_called(pays):
    """With `atomic=False`: what it does outside could not be taken back."""
    run = ran(lambda ctx: ctx.step.run("pay", pays, atomic=False), retries=3)
    attempt = run.attempts.get(step_name="pay")
    assert run.status == "failed"
    assert f"{pays.__name__} was not called" in attempt.error_message
    assert "has no form in JSON" in attempt.error_message


class Base:
    pass


@dataclass
class Heir(Base):
    n: int


def pays_base() -> Base:
    return Heir(1)


def pays_anything() -> Any:
    return Heir(1)


def pays_unknown() -> Nowhere:  # type: ignore[name-defined]  # noqa: F821
    return Heir(1)


def pays_in_order() -> OrderedDict[str, int]:
    return OrderedDict(n=1)


@pytest.mark.parametrize("pays", [pays_base, pays_anything, pays_unknown, pays_in_order])
def test_a_body_of_which_that_cannot_be_known_is_called(pays):
    run = ran(lambda ctx: ctx.step.run("pay", pays, atomic=False))
    assert (run.status, run.output) == ("completed", {"n": 1})


def test_a_type_that_no_json_can_be_read_as_is_refused_before_the_body_is_called():
    diary = Diary()
    run = ran(
        lambda ctx: ctx.step.run("one", diary.write, "one", returns=set[int], atomic=False),
        retries=3,
    )
    assert (run.status, run.error["name"], diary.entries) == ("failed", "InvalidStep", [])
    assert "step.run(“one”): returns=set[int]: set has no form in JSON" in run.error["message"]


async def never_awaited() -> None: ...


def never_begun() -> Any:
    yield 1


@pytest.mark.parametrize("body", [never_awaited, never_begun])
def test_a_body_that_would_never_run_is_refused(body):
    run = ran(lambda ctx: ctx.step.run("one", body), retries=3)
    assert (run.status, run.error["name"]) == ("failed", "InvalidStep")
    assert "a plain function, which returns" in run.error["message"]


def test_what_cannot_be_kept_in_a_record_is_told_by_its_place():
    value = {"orders": [ORDER, Order(Song(), Decimal(1))]}  # type: ignore[arg-type]
    run = ran(lambda ctx: ctx.step.run("one", lambda: value))
    assert run.status == "failed"
    assert "it['orders'][1].id is of type Song" in run.error["message"]
