"""Functions as an app writes them, for type checkers (test_typed_functions.py): what they reveal
stands behind each line, and so does what they must refuse.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypedDict

from jobs.api import Context, Event, TriggerEvent, create_function, send
from jobs.testing import ran, survives_every_crash

if TYPE_CHECKING:
    from typing import reveal_type


@dataclass
class Order:
    id: int
    price: Decimal


class Basket(TypedDict):
    id: int


@dataclass
class Receipt:
    number: str


def charge(order_id: int, price: Decimal) -> Receipt:
    return Receipt(f"{order_id}: {price}")


@create_function(fn_id="typed-order", trigger=TriggerEvent(event="typed/order", data=Order))
def take_order(ctx: Context[Order]) -> dict[str, Any]:
    order = ctx.event.data
    reveal_type(order.price)  # reveals: decimal.Decimal
    receipt = ctx.step.run("charge", charge, order.id, order.price, returns=Receipt)
    reveal_type(receipt.number)  # reveals: str
    receipts = ctx.step.run("list", list, returns=list[Receipt])
    reveal_type(receipts[0])  # reveals: tests.typed.orders.Receipt
    told = ctx.step.invoke("ask", function=take_basket, data=Basket(id=1), returns=int)
    reveal_type(told)  # reveals: int
    answer = ctx.step.fetch("ask", "https://example.org", accept=[402, 404])
    reveal_type(answer.ok)  # reveals: bool
    paid = ctx.step.wait_for_event("paid", event="typed/paid")
    if paid is not None:
        reveal_type(paid.data)  # reveals: dict[str, Any]
    shipped = ctx.step.wait_for_event("shipped", event="typed/shipped", data=Receipt)
    if shipped is not None:
        reveal_type(shipped.data.number)  # reveals: str
    print(order.cost)  # refused: "Order" has no attribute "cost"
    return {"receipt": receipt.number}


@create_function(fn_id="typed-basket", trigger=TriggerEvent(event="typed/basket", data=Basket))
def take_basket(ctx: Context[Basket]) -> int:
    reveal_type(ctx.event.data["id"])  # reveals: int
    print(ctx.event.data["price"])  # refused: TypedDict "Basket" has no key "price"
    return ctx.step.run("count", len, [1])


@create_function(fn_id="untyped", trigger=TriggerEvent(event="typed/any"))
def take_anything(ctx: Context) -> Any:
    reveal_type(ctx.event.data)  # reveals: dict[str, Any]
    return ctx.event.data["n"]


@create_function(fn_id="misspelt", retry=3)  # refused: … "int"; expected "Never"
def is_misspelt(ctx: Context) -> None: ...


def proves_it() -> None:
    survives_every_crash(take_order, Event(name="typed/order", data=Order(1, Decimal(2))))
    run = ran(take_order, Order(1, Decimal(2)))
    reveal_type(run)  # reveals: jobs.models.run.Run


def order_it() -> list[str]:
    send(Event(name="typed/any"))
    send(Event(name="typed/any", data={"n": 1}))
    return send(Event(name="typed/order", data=Order(1, Decimal("1.50"))))
