"""A type as a shape of JSON: what was written as JSON is read back as the type, or it is said where
it does not fit, what was given, and what is allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any, Literal, NamedTuple, NewType, NotRequired, TypedDict
from uuid import UUID

import pydantic
import pytest

from jobs.lib.json_values import to_json
from jobs.lib.shapes.reading import name_of, shape_of
from jobs.lib.shapes.shape import Misfit, Unsupported

UserId = NewType("UserId", int)
NOON = datetime(2030, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC)


class Colour(Enum):
    RED = "red"
    DAWN = date(2030, 1, 31)


class Size(IntEnum):
    LARGE = 3


class Euro(Decimal):
    pass


class Point(NamedTuple):
    x: int
    y: Decimal


@dataclass(frozen=True)
class Line:
    sku: UUID
    price: Decimal
    count: int = 1


@dataclass
class Order:
    id: UserId
    placed: datetime
    lines: list[Line]
    colour: Colour | None = None
    notes: dict[Colour, list[str]] = field(default_factory=dict)
    total: Decimal = field(init=False)

    def __post_init__(self) -> None:
        self.total = sum((line.price * line.count for line in self.lines), Decimal())
        if self.total < 0:
            raise ValueError("the total is negative")


@dataclass
class Tree:
    name: str
    branches: list[Tree] = field(default_factory=list)


class Basket(TypedDict):
    id: int
    price: Decimal
    note: NotRequired[str]


class Model(pydantic.BaseModel):
    order_id: int = pydantic.Field(alias="orderId")
    price: Decimal
    at: datetime | None = None
    lines: list[Line] = []


LINE = Line(UUID(int=7), Decimal("1.50"), 2)
ORDER = Order(UserId(1), NOON, [LINE], Colour.RED, {Colour.DAWN: ["a"]})
BACK = {
    "a text": (str, "a"),
    "a whole number": (int, 3),
    "a number": (float, 1.0),
    "true": (bool, True),
    "nothing": (None, None),
    "a decimal": (Decimal, Decimal("1.10")),
    "a decimal of one's own": (Euro, Euro("1.10")),
    "a datetime": (datetime, NOON),
    "a date": (date, NOON.date()),
    "a time": (time, time(12, 0, 1)),
    "a duration": (timedelta, timedelta(days=2, seconds=1)),
    "a uuid": (UUID, UUID(int=7)),
    "a member": (Colour, Colour.DAWN),
    "a member of numbers": (Size, Size.LARGE),
    "one of a few": (Literal["a", 1, True], True),
    "a new type": (UserId, 5),
    "a list": (list[Decimal], [Decimal("1.1"), Decimal(2)]),
    "a sequence": (Sequence[date], [NOON.date()]),
    "a bare list": (list, [1, "a"]),
    "a tuple": (tuple[int, Decimal], (1, Decimal("2.0"))),
    "a long tuple": (tuple[UUID, ...], (UUID(int=1), UUID(int=2))),
    "a named tuple": (Point, Point(1, Decimal("2.5"))),
    "names that are numbers": (dict[int, date], {1: NOON.date()}),
    "names that are members": (Mapping[Colour, UUID], {Colour.RED: UUID(int=1)}),
    "names that are ids": (dict[UUID, int], {UUID(int=1): 2}),
    "something or nothing": (date | None, None),
    "one of two": (Line | Tree, Tree("a", [Tree("b")])),
    "a dataclass": (Order, ORDER),
    "dataclasses in a list": (list[Line], [LINE, LINE]),
    "one that holds itself": (Tree, Tree("a", [Tree("b", [Tree("c")]), Tree("d")])),
    "a typed dict": (Basket, {"id": 1, "price": Decimal("1.5")}),
    "a model": (Model, Model(orderId=3, price=Decimal("1.50"), at=NOON, lines=[LINE])),
    "models in a dict": (dict[str, Model], {"a": Model(orderId=3, price=Decimal("1.50"))}),
    "anything": (Any, {"a": [1, None]}),
}


@pytest.mark.parametrize(("kind", "value"), BACK.values(), ids=BACK)
def test_what_is_written_is_read_back_as_the_type(kind, value):
    read = shape_of(kind).read(to_json(value, "it"), "it")
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(("kind", "value"), BACK.values(), ids=BACK)
def test_its_schema_is_json(kind, value):
    schema = shape_of(kind).schema()
    assert to_json(schema, "it") == schema


WRONG = {
    "a text for a number": (int, "1", "it is '1'; a whole number is allowed"),
    "true for a number": (int, True, "it is True; a whole number is allowed"),
    "a part of a whole": (int, 1.5, "it is 1.5; a whole number"),
    "a word for a decimal": (Decimal, "a", "it is 'a'; a decimal number"),
    "a decimal that is none": (Decimal, "NaN", "it is 'NaN'; a decimal number"),
    "a day that is none": (date, "2030-02-31", "it is '2030-02-31'; a date"),
    "no member": (Colour, "blue", "it is 'blue'; 'red' or '2030-01-31' is allowed"),
    "1 for true": (Literal[True], 1, "it is 1; True is allowed"),
    "deep in a list": (list[list[int]], [[1], [2, "3"]], r"it\[1\]\[1\] is '3'; a whole number"),
    "a name": (dict[int, str], {"a": "b"}, "the name of it.a is 'a'; a whole number"),
    "an odd name": (dict[str, int], {"a b": "c"}, r"it\['a b'\] is 'c'; a whole number"),
    "too short": (tuple[int, int], [1], r"it is \[1\]; a list of 2 is allowed"),
    "neither": (int | date, "a", r"it is 'a'; a whole number or a date .* is allowed"),
    "in one of two": (Line | None, {"sku": 5}, "it.sku is 5; a UUID is allowed"),
    "no object": (Order, [1], r"it is \[1\]; an object \(Order\) is allowed"),
    "a field that is missing": (Tree, {}, "it.name is missing; a text is allowed"),
    "in a dataclass": (
        Tree,
        {"name": "a", "branches": [{"name": 5}]},
        r"it.branches\[0\].name is 5; a text is allowed",
    ),
    "what its own check refuses": (
        Order,
        to_json({**vars(ORDER), "lines": [Line(UUID(int=1), Decimal(-1))]}, "it"),
        r"what Order takes \(the total is negative\) is allowed",
    ),
    "in a typed dict": (Basket, {"id": 1, "price": []}, r"it.price is \[\]; a decimal number"),
    "what a typed dict needs": (Basket, {"id": 1}, "it.price is missing; a decimal number"),
    "in a model": (
        Model,
        {"orderId": 1, "price": "1", "lines": [{"sku": "x", "price": "1"}]},
        r"it.lines\[0\].sku is 'x'; an object \(Model\): Input should be a valid UUID",
    ),
    "what a model needs": (Model, {"price": "1"}, "it.orderId is missing"),
}


@pytest.mark.parametrize(("kind", "value", "sentence"), WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_told_with_its_place_what_was_given_and_what_is_allowed(
    kind, value, sentence
):
    with pytest.raises(Misfit, match=sentence):
        shape_of(kind).read(value, "it")


class Hidden:
    pass


@dataclass
class Holds:
    what: set[int]


@dataclass
class Lost:
    what: Nowhere  # type: ignore[name-defined]  # noqa: F821


NONE = {
    "a set": (set[int], "set has no form in JSON"),
    "bytes": (list[bytes], "bytes has no form in JSON"),
    "a class": (dict[str, Hidden], "Hidden has no form in JSON"),
    "a field": (Holds, "set has no form in JSON"),
    "a text": ("Order", "'Order' is no type"),
    "a number": (5, "5 is no type"),
    "annotations that nothing knows": (Lost, "annotations of Lost cannot be read"),
}


@pytest.mark.parametrize(("kind", "sentence"), NONE.values(), ids=NONE)
def test_a_type_that_no_json_can_be_read_as_is_refused_with_what_is_allowed(kind, sentence):
    with pytest.raises(Unsupported, match=sentence):
        shape_of(kind)


def test_more_than_the_type_has_is_let_pass():
    assert shape_of(Tree).read({"name": "a", "more": 1}, "it") == Tree("a")
    assert shape_of(Basket).read({"id": 1, "price": 2, "more": 1}, "it")["more"] == 1


def test_types_are_named_as_the_author_wrote_them():
    assert name_of(Order) == "Order"
    assert name_of(list[int]) == "list[int]"


def test_a_schema_names_what_is_required_and_what_stands_otherwise():
    schema = shape_of(Line).schema()
    assert schema["required"] == ["sku", "price"]
    assert schema["properties"]["count"] == {"type": "integer", "default": 1}
    assert schema["properties"]["sku"] == {"type": "string", "format": "uuid"}
