from __future__ import annotations

from collections.abc import Iterable, Sized
from datetime import datetime
from itertools import islice
from typing import Any

from jobs.errors import InvalidEvent
from jobs.events.event import Event, milliseconds
from jobs.lib.excerpts import quoted
from jobs.lib.json_values import Unfit, decode, encode, is_text, plain, size_of
from jobs.lib.secrets import mask
from jobs.registry.event_data import invalid_data
from jobs.registry.event_names import LIMIT, RESERVED, is_event_name, is_reserved

SIZE_LIMIT = 512 * 1024
MAX_EVENTS = 5000
EARLIEST, LATEST = 315_532_800_000, 4_102_444_800_000  # 1980 and 2100, in ms


def as_list(events: Any) -> list[Event]:
    if isinstance(events, str | bytes | dict) or not isinstance(events, Iterable):
        given = f"{type(events).__name__}: {quoted(events)}"
        raise InvalidEvent(f"send() takes an Event or a list of them, not {given}.")
    batch = list(islice(events, MAX_EVENTS + 1))  # it may have no end
    if len(batch) > MAX_EVENTS:
        count = f"{len(events):,}" if isinstance(events, Sized) else f"More than {MAX_EVENTS:,}"
        raise InvalidEvent(f"{count} events at once; at most {MAX_EVENTS:,} are allowed.")
    return batch


def validate(event: Event) -> Event:
    """The event to store: data through JSON, secrets masked. Raises InvalidEvent."""
    if not isinstance(event, Event):
        given = f"{type(event).__module__}.{type(event).__qualname__}"
        raise InvalidEvent(
            f"send() takes jobs.api.Event(name=…, data=…), not {given}: {quoted(event)}."
        )
    name, dedupe_id = plain(event.name), plain(event.id)
    if not is_event_name(name):
        raise InvalidEvent(
            f"An event's name must be 1 to {LIMIT} characters that can be stored and hold no "
            f"secret, not {quoted(name)}."
        )
    if not isinstance(dedupe_id, str) or len(dedupe_id) > 256 or not _is_clean(dedupe_id):
        raise InvalidEvent(
            f"Event “{name}”: id must be a text of at most 256 characters that can be stored and "
            f"hold no secret, not {quoted(dedupe_id)}."
        )
    return Event(name=name, data=_json(event), id=dedupe_id, ts=_time(event))


def _is_clean(text: str) -> bool:
    return is_text(text) and mask(text) == text


def _json(event: Event) -> dict[str, Any]:
    try:
        text = encode(event.data)
        size = size_of(text)
        if size > SIZE_LIMIT:
            raise Unfit(f"has {size:,} bytes; at most {SIZE_LIMIT:,} are allowed.")
        data = decode(text)
    except Unfit as unfit:
        raise invalid_data(event.name, f" {unfit}") from None
    if not isinstance(data, dict):
        kind = type(event.data).__name__
        raise invalid_data(
            event.name,
            f" must be a JSON object (a dict), not {kind}. Given is {quoted(event.data)}.",
        )
    return data


def _time(event: Event) -> int:
    if event.ts == 0 and type(event.ts) is int:
        return 0
    given = quoted(event.ts)
    if isinstance(event.ts, datetime) and event.ts.utcoffset() is None:
        raise InvalidEvent(
            f"Event “{event.name}”: ts must be an aware datetime or milliseconds, not {given}."
        )
    if isinstance(event.ts, bool) or not isinstance(event.ts, int | datetime):
        raise InvalidEvent(
            f"Event “{event.name}”: ts must be Unix milliseconds or a datetime, not {given}."
        )
    ts = milliseconds(event.ts)
    if event.ts != 0 and not EARLIEST <= ts < LATEST:
        raise InvalidEvent(
            f"Event “{event.name}”: ts={given} is not between 1980 and 2100 (in ms)."
        )
    return ts


def refuse_reserved(event: Event) -> None:
    if is_reserved(event.name):
        names = " and ".join(f"“{prefix}”" for prefix in RESERVED)
        raise InvalidEvent(f"Event “{event.name}”: names that begin with {names} are reserved.")
