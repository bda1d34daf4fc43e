from __future__ import annotations

import collections.abc
import dataclasses
import types
import typing
from enum import Enum
from functools import cache
from typing import Any

from jobs.lib.excerpts import MAX_SHOWN, excerpt, quoted
from jobs.lib.json_values import Unfit, decode, encode
from jobs.lib.shapes.containers import Items, Row, Table, Union
from jobs.lib.shapes.records import Field, Model, Record
from jobs.lib.shapes.scalars import SCALARS, Choice, Nothing, members
from jobs.lib.shapes.shape import MISSING, Shape, Unsupported

ANYTHING = (Any, object, typing.Hashable)
LISTS = (list, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)
TABLES = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
TRANSPARENT = (typing.Annotated, typing.Required, typing.NotRequired, typing.Final)
ALLOWED = (
    "texts, numbers, Decimal, dates and times, UUID, enumerations, lists, tuples, dicts, "
    "dataclasses, TypedDicts, NamedTuples, pydantic's models and unions of these are allowed"
)


def name_of(kind: Any) -> str:
    is_class = isinstance(kind, type) and not typing.get_args(kind)
    return kind.__qualname__ if is_class else excerpt(str(kind), MAX_SHOWN)


def shape_of(kind: Any) -> Shape:
    """Raises Unsupported with what is allowed."""
    try:
        return _cached(kind)
    except TypeError as error:
        if isinstance(error, Unsupported):
            raise
        return _shape(kind, {})  # not hashable: an Annotated with a list, say


@cache
def _cached(kind: Any) -> Shape:
    return _shape(kind, {})


def _shape(kind: Any, open_: dict[Any, Shape]) -> Shape:
    """`open_` has the records being read: one may hold itself."""
    if kind in ANYTHING or isinstance(kind, typing.TypeVar):
        return Shape()
    if kind is None or kind is types.NoneType:
        return Nothing()
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in TRANSPARENT or hasattr(kind, "__supertype__"):  # a NewType
        return _shape(getattr(kind, "__supertype__", None) or args[0], open_)
    if hasattr(kind, "__value__"):  # a type statement's
        return _shape(kind.__value__, open_)
    if origin is typing.Literal:
        return Choice(args)
    if origin in (typing.Union, types.UnionType):
        return Union([_shape(arg, open_) for arg in args])
    return _of_a_class(origin or kind, args, open_)


def _of_a_class(kind: Any, args: tuple[Any, ...], open_: dict[Any, Shape]) -> Shape:
    if kind in LISTS:
        return Items(_shape(args[0], open_) if args else Shape())
    if kind in TABLES:
        name, item = [_shape(arg, open_) for arg in args] or (Shape(), Shape())
        return Table(name, item)
    if kind is tuple:
        return _tuple(args, open_)
    if not isinstance(kind, type):
        raise Unsupported(f"{quoted(kind)} is no type that JSON can be read as; {ALLOWED}")
    if kind in open_:
        return open_[kind]
    if issubclass(kind, dict) and hasattr(kind, "__required_keys__"):  # a TypedDict
        return _typed_dict(kind, open_)
    if issubclass(kind, Enum):
        return _enumeration(kind)
    if hasattr(kind, "model_validate_json") and hasattr(kind, "model_dump"):
        return Model(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, open_)
    return _of_a_plain_class(kind, open_)


def _of_a_plain_class(kind: type, open_: dict[Any, Shape]) -> Shape:
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        hints = _hints(kind)
        shapes = [_shape(hints.get(name, Any), open_) for name in kind._fields]
        return Row(shapes, lambda items: kind(*items))
    for base in kind.__mro__:  # datetime stands before date, bool before int
        if base in SCALARS:
            return SCALARS[base] if base is kind else SCALARS[base].of(kind)
    raise Unsupported(f"{kind.__name__} has no form in JSON; {ALLOWED}")


def _tuple(args: tuple[Any, ...], open_: dict[Any, Shape]) -> Shape:
    if not args or args[-1] is Ellipsis:
        return Items(_shape(args[0], open_) if args else Shape(), tuple)
    return Row([_shape(arg, open_) for arg in args])


def _enumeration(kind: type[Enum]) -> Shape:
    try:
        return members(kind)
    except Unfit as unfit:
        raise Unsupported(f"{kind.__name__} has a member whose value {unfit}") from None


def _dataclass(kind: Any, open_: dict[Any, Shape]) -> Shape:
    record = open_[kind] = Record(kind.__name__, lambda found, value: kind(**found))
    hints = _hints(kind)
    for field in dataclasses.fields(kind):
        if field.init:
            shape = _shape(hints.get(field.name, Any), open_)
            has_default = field.default is not dataclasses.MISSING
            is_free = has_default or field.default_factory is not dataclasses.MISSING
            default = _written(field.default) if has_default else MISSING
            record.fields[field.name] = Field(shape, not is_free, default)
    del open_[kind]
    return record


def _written(default: Any) -> Any:
    try:
        return decode(encode(default))
    except Unfit:
        return MISSING


def _typed_dict(kind: Any, open_: dict[Any, Shape]) -> Shape:
    record = open_[kind] = Record(kind.__name__, lambda found, value: {**value, **found})
    for name, hint in _hints(kind).items():
        origin, is_required = typing.get_origin(hint), name in kind.__required_keys__
        if origin in (typing.Required, typing.NotRequired):  # unseen in a text's annotations
            is_required = origin is typing.Required
        record.fields[name] = Field(_shape(hint, open_), is_required)
    del open_[kind]
    return record


def _hints(kind: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(kind, include_extras=True)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        raise Unsupported(f"the annotations of {kind.__name__} cannot be read ({said})") from None
