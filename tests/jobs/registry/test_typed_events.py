"""`TriggerEvent(event=…, data=Order)`: data that does not fit is refused where it is given, and
`ctx.event.data` is an Order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, TypedDict

import pydantic
import pytest

from jobs.api import (
    Cancel,
    Concurrency,
    Context,
    Event,
    InvalidEvent,
    InvalidFunction,
    TriggerCron,
    TriggerEvent,
    rerun,
    send,
)
from jobs.models import Event as EventRow
from jobs.models import RegisteredFunction, Run
from jobs.registry import catalog, rows
from jobs.testing import drain, travel
from tests.support.functions import registered, the_run

pytestmark = pytest.mark.django_db


@dataclass
class Order:
    id: int
    price: Decimal
    due: date | None = None
    lines: list[dict[str, int]] = field(default_factory=list)


class Basket(TypedDict):
    id: int
    price: Decimal


class Model(pydantic.BaseModel):
    id: int
    price: Decimal


@dataclass
class Mail(Order):
    kind: str = ""


GIVEN = {"id": 1, "price": "1.50"}
KINDS = {
    "a dataclass": (Order, Order(1, Decimal("1.50"))),
    "a typed dict": (Basket, {"id": 1, "price": Decimal("1.50")}),
    "a model": (Model, Model(id=1, price=Decimal("1.50"))),
    "a dict": (dict[str, Any], GIVEN),
    "one of two": (Order | Model, Order(1, Decimal("1.50"))),
}


def go_typed(kind: Any, handler: Any, **options: Any) -> Any:
    return registered(handler, trigger=TriggerEvent(event="test/go", data=kind), **options)


@pytest.mark.parametrize(("kind", "value"), KINDS.values(), ids=KINDS)
def test_a_run_gets_the_type_at_first_and_when_it_goes_on(kind, value):
    seen = []

    def handler(ctx: Context) -> Any:
        seen.append(ctx.event.data)
        ctx.step.sleep("nap", 60)
        return ctx.event.data

    with go_typed(kind, handler):
        send(Event(name="test/go", data=value))
        drain()
        travel(timedelta(minutes=1))
        drain()
    assert seen == [value, value]
    assert [type(one) for one in seen] == [type(value)] * 2
    assert EventRow.objects.get().data == GIVEN | (
        {"due": None, "lines": []} if _is_order(value) else {}
    )
    assert the_run().status == "completed"


def _is_order(value: Any) -> bool:
    return isinstance(value, Order)


WRONG = {
    "a word": ({"id": 1, "price": "free"}, "data.price is 'free'; a decimal number"),
    "nothing": ({"price": 1}, "data.id is missing; a whole number is allowed"),
    "deep": (
        {**GIVEN, "lines": [{"n": 1}, {"n": "x"}]},
        r"data.lines\[1\].n is 'x'; a whole number is allowed",
    ),
}


@pytest.mark.parametrize(("data", "sentence"), WRONG.values(), ids=WRONG)
def test_data_that_does_not_fit_is_refused_at_send_and_nothing_is_written(data, sentence):
    with go_typed(Order, print), registered(print, fn_id="other"):
        with pytest.raises(InvalidEvent, match=sentence) as raised:
            send([Event(name="test/go", data=GIVEN), Event(name="test/go", data=data)])
        with pytest.raises(InvalidEvent, match=sentence):
            send([Event(name="test/go", data=data, id="mine")])
    assert str(raised.value).endswith("Function “test-function” takes Order.")
    assert not EventRow.objects.exists()
    assert not Run.objects.exists()


def test_data_is_asked_of_a_function_whose_condition_is_met_alone():
    trigger = TriggerEvent(event="test/go", if_exp="event.data.kind == 'order'", data=Mail)
    with registered(print, trigger=trigger):
        send(Event(name="test/go", data={"kind": "letter"}))
        with pytest.raises(InvalidEvent, match=r"data\.id is missing"):
            send(Event(name="test/go", data={"kind": "order"}))
    assert not Run.objects.exists()


def test_what_a_step_sends_invokes_or_a_person_edits_is_asked_too():
    def wrong(ctx: Context) -> str:
        return ctx.step.invoke("ask", function="typed", data={"id": "x"})

    typed = TriggerEvent(event="test/typed", data=Order)
    with registered(lambda ctx: ctx.event.data, fn_id="typed", trigger=typed):
        with registered(wrong, retries=3):
            send(Event(name="test/go"))
            drain()
        failed = the_run()
        assert (failed.status, failed.error["name"]) == ("failed", "InvalidEvent")
        assert "data.id is 'x'; a whole number is allowed" in failed.error["message"]
        assert not Run.objects.filter(fn_id="typed").exists()

        right = {"data": Order(2, Decimal(3))}
        with registered(lambda ctx: ctx.step.invoke("ask", function="typed", **right)):
            send(Event(name="test/go"))
            drain()
        run = the_run("typed")
        assert run.output == {"id": 2, "price": "3", "due": None, "lines": []}

        send(Event(name="test/typed", data=GIVEN))
        drain()
        with pytest.raises(InvalidEvent, match=r"data\.price is missing"):
            rerun(the_run("typed").id, data={"id": 2})


def test_an_event_that_came_before_the_type_did_fails_its_run_with_the_place():
    with registered(print):
        send(Event(name="test/go", data={"id": "one"}))
    with go_typed(Order, print, retries=3):
        drain()
    run = the_run()
    assert (run.status, run.error["name"]) == ("failed", "InvalidEvent")
    assert "data.id is 'one'; a whole number is allowed" in run.error["message"]
    assert run.attempts.count() == 1


def test_its_hooks_get_the_event_as_json():
    told: list[Any] = []
    with go_typed(Order, lambda ctx: 1 / 0, retries=0, on_failure=lambda ctx: told.append(ctx)):
        send(Event(name="test/go", data=GIVEN))
        drain()
    assert told[0].event.data["event"]["data"] == GIVEN


def test_each_trigger_has_a_type_of_its_own():
    triggers = [
        TriggerEvent(event="test/a", data=Order),
        TriggerEvent(event="test/b/*", data=Basket),
        TriggerEvent(event="test/c"),
        TriggerCron(cron="* * * * *"),
    ]
    seen = []
    with registered(lambda ctx: seen.append(ctx.event.data), trigger=triggers):
        send([Event(name=name, data=GIVEN) for name in ("test/a", "test/b/1", "test/c")])
        drain()
    assert seen == [Order(1, Decimal("1.50")), {"id": 1, "price": Decimal("1.50")}, GIVEN]


def taking(kind: Any) -> Any:
    def handler(ctx): ...

    handler.__annotations__ = {"ctx": kind}
    return handler


def on(*kinds: Any) -> list[TriggerEvent]:
    return [TriggerEvent(event=f"test/{n}", data=kind) for n, kind in enumerate(kinds)]


REFUSED = {
    "a set": (print, on(set[int]), "data=set.*: set has no form in JSON"),
    "a class without a form": (print, on(Exception), "Exception has no form in JSON"),
    "a text": (print, on("Order"), "'Order' is no type"),
    "a list": (print, on(list[Order]), "a dataclass, a TypedDict, a dict or a model is allowed"),
    "a number": (print, on(int), "a dataclass, a TypedDict, a dict or a model is allowed"),
    "another than the handler's": (
        taking(Context[Basket]),
        on(Order),
        r"takes Context\[Basket\], its trigger gives Order",
    ),
    "one of two": (taking(Context[Order]), on(Order, Basket), "gives Order or Basket"),
    "none, where the handler has one": (
        taking(Context[Order]),
        on(None),
        r"takes Context\[Order\], its trigger gives plain JSON; say TriggerEvent",
    ),
}


@pytest.mark.parametrize(("handler", "trigger", "sentence"), REFUSED.values(), ids=REFUSED)
def test_a_type_that_cannot_be_is_refused_at_start_with_the_place(handler, trigger, sentence):
    known = list(catalog.all_functions())
    with pytest.raises(InvalidFunction, match=sentence), registered(handler, trigger=trigger):
        pass
    assert list(catalog.all_functions()) == known


FINE = {
    "the same": (taking(Context[Order]), on(Order)),
    "any of them": (taking(Context[Order | Basket]), on(Order, Basket)),
    "none said": (taking(Context), on(Order)),
    "anything": (taking(Context[Any]), on(Order)),
    "a dict without a type": (taking(Context[dict[str, Any]]), on(None)),
    "a typed dict without a type": (taking(Context[Basket]), on(None)),
    "a name for type checkers alone": (taking("Context[Nowhere]"), on(Order)),
}


@pytest.mark.parametrize(("handler", "trigger"), FINE.values(), ids=FINE)
def test_a_type_that_the_handler_can_take_is_accepted(handler, trigger):
    with registered(handler, trigger=trigger) as function:
        assert catalog.get(function.fn_id) is function


def test_the_functions_row_has_its_schema_and_of_a_large_one_the_name():
    large = pydantic.create_model("Large", **{f"field_{n}": (int, n) for n in range(500)})
    with registered(print, trigger=on(Order, Model, large)):
        rows.sync()
    config = RegisteredFunction.objects.get(fn_id="test-function").config
    order, model, name = [trigger["data"] for trigger in config["triggers"]]
    assert (order["title"], order["required"]) == ("Order", ["id", "price"])
    assert set(model["properties"]) == {"id", "price"}
    assert name == {"title": "Large"}


class Line(TypedDict):
    sku: str


@dataclass
class Parcel:
    orderId: int
    lines: list[Line]
    buyer: Model | None = None
    extra: dict[str, int] = field(default_factory=dict)


MISSPELT = {
    "event.data.ordrId == 1": r"event.data \(Parcel\) has orderId, .*Did you mean “orderId”",
    "(event.data)['ordrId'] == 1": "uses “event.data.ordrId”",
    "has(event.data.buyer.prise)": r"event.data.buyer \(.*Model\).* has id, price. Did you mean",
}


@pytest.mark.parametrize(("source", "sentence"), MISSPELT.items(), ids=MISSPELT)
def test_a_name_that_the_type_does_not_have_is_refused_in_a_condition_at_start(source, sentence):
    typed = TriggerEvent(event="test/go", data=Parcel)
    for options in (
        {"trigger": TriggerEvent(event="test/go", if_exp=source, data=Parcel)},
        {"trigger": typed, "concurrency": Concurrency(limit=1, key=source)},
        {"trigger": typed, "cancel_on": Cancel(event="test/stop", if_exp=source)},
    ):
        with pytest.raises(InvalidFunction, match=sentence), registered(print, **options):
            pass


READABLE = [
    "event.data.orderId == 1 && event.data.buyer.price > 1",
    "event.data.lines[0].anything == 'x' && event.data.extra.anything == 1",
    "event.data.lines.exists(x, x.sku == event.name)",
]


@pytest.mark.parametrize("source", READABLE)
def test_a_name_that_the_type_has_or_does_not_tell_is_taken(source):
    trigger = TriggerEvent(event="test/go", if_exp=source, data=Parcel)
    with registered(print, trigger=trigger, cancel_on=Cancel(event="x", if_exp=source)):
        pass


def test_a_key_may_read_what_one_of_the_triggers_types_has():
    triggers = [TriggerEvent(event="a", data=Parcel), TriggerEvent(event="b", data=Order)]
    for key in ("event.data.orderId", "event.data.due"):
        with registered(print, trigger=triggers, concurrency=Concurrency(limit=1, key=key)):
            pass
    untyped = [*triggers, TriggerEvent(event="c")]
    with registered(print, trigger=untyped, concurrency=Concurrency(limit=1, key="event.data.x")):
        pass
