"""The type that a trigger names for its event's data: `TriggerEvent(event=…, data=Order)`.

1. `send`, `invoke` and reruns with other data refuse unfit data.
2. A called run reads its data as the type. Data older than the type may not fit.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from jobs.errors import InvalidEvent
from jobs.lib.excerpts import quoted
from jobs.lib.json_values import ENCODER, named
from jobs.lib.shapes.reading import name_of, shape_of
from jobs.lib.shapes.shape import Misfit, Unsupported
from jobs.registry.options import Trigger, TriggerEvent

INVOKED_EVENT = "jobs/function.invoked"
CONTEXT = ("jobs.execution.context", "Context")
SCHEMA_LIMIT = 16_384  # bytes of JSON, in the function's row


def typed_triggers(triggers: Iterable[Trigger]) -> list[TriggerEvent]:
    events = [trigger for trigger in triggers if isinstance(trigger, TriggerEvent)]
    return [trigger for trigger in events if trigger.data is not None]


def invoked_kinds(triggers: Iterable[Trigger]) -> list[Any]:
    """Of an invoked run: the triggers' type, if they have only one."""
    kinds: list[Any] = []
    for trigger in typed_triggers(triggers):
        if trigger.data not in kinds:
            kinds.append(trigger.data)
    return kinds if len(kinds) == 1 else []


def kinds_of(triggers: Sequence[Any]) -> list[Any]:
    """Of a run's event; empty unless each trigger names a type."""
    kinds = [trigger.data for trigger in typed_triggers(triggers)]
    return kinds if len(kinds) == len(triggers) else []


def read(kinds: list[Any], fn_id: str, name: str, data: dict[str, Any]) -> Any:
    """The data as the first type that fits, or as it is. Raises InvalidEvent."""
    first: Misfit | None = None
    for kind in kinds:
        try:
            return shape_of(kind).read(data, "")
        except Misfit as misfit:
            first = first or misfit
    if first is None:
        return data
    wanted = " or ".join(map(name_of, kinds))
    raise invalid_data(name, f"{first}. Function {named(fn_id)} takes {wanted}.") from None


def invalid_data(event_name: str, problem: str) -> InvalidEvent:
    """`problem` goes on after the word “data”."""
    error = InvalidEvent(f"Event “{event_name}”: data{problem}")
    error.data_problem = problem
    return error


def schema(trigger: TriggerEvent) -> dict[str, Any]:
    """The data's JSON schema, with the `order` of its properties, which the database does not keep;
    a large one's name alone.
    """
    told = shape_of(trigger.data).schema()
    told = {"title": name_of(trigger.data), "order": list(told.get("properties", ())), **told}
    is_large = len(ENCODER.encode(told)) > SCHEMA_LIMIT
    return {"title": told["title"]} if is_large else told


def problems(triggers: Sequence[Trigger], handler: Any) -> Iterator[str]:
    """Of the triggers' types, and of a handler with another: `ctx: Context[Order]`."""
    typed = typed_triggers(triggers)
    for trigger in typed:
        where = f"TriggerEvent(event={quoted(trigger.event)}, data={name_of(trigger.data)})"
        try:
            if not shape_of(trigger.data).is_object:
                yield f"{where}: a dataclass, a TypedDict, a dict or a model is allowed, an object."
        except Unsupported as problem:
            yield f"{where}: {problem}."
    said = _said_by(handler)
    if said is None:
        return
    given = [trigger.data for trigger in typed]
    names = " or ".join(map(name_of, given)) or "plain JSON"
    if not given and not _is_json(said) and triggers:
        yield (
            f"its handler takes Context[{name_of(said)}], its trigger gives plain JSON; say "
            f"TriggerEvent(event=…, data={name_of(said)})."
        )
    elif any(kind != said and kind not in typing.get_args(said) for kind in given):
        yield f"its handler takes Context[{name_of(said)}], its trigger gives {names}."


def _said_by(handler: Any) -> Any:
    """Order of `def f(ctx: Context[Order])`, or None."""
    try:
        first = next(iter(inspect.signature(handler).parameters))
        hint = typing.get_type_hints(handler).get(first)
    except Exception:  # no parameter, or a name for type checkers alone
        return None
    origin = typing.get_origin(hint)
    if (getattr(origin, "__module__", ""), getattr(origin, "__name__", "")) != CONTEXT:
        return None
    (said,) = typing.get_args(hint)
    return None if said is Any or isinstance(said, typing.TypeVar) else said


def _is_json(kind: Any) -> bool:
    origin = typing.get_origin(kind) or kind
    if not isinstance(origin, type):
        return all(map(_is_json, typing.get_args(kind)))
    return issubclass(origin, dict) or origin is Mapping
