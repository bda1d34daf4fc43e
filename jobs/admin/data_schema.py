"""What an event's data should hold, by the JSON schema in a function's row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any

from jobs.lib.excerpts import excerpt
from jobs.models import RegisteredFunction

MAX_PROPERTIES = 60  # of a form
MAX_IN_WORDS = 12
NOTHING = object()
WORDS = {
    "text": "a text",
    "integer": "a whole number",
    "number": "a number",
    "decimal": "a decimal number",
    "boolean": "true or false",
    "date": "a date",
    "date-time": "a date and time",
    "time": "a time",
    "duration": "a duration",
    "uuid": "a UUID",
    "json": "JSON",
}
TYPES = {"string": "text", "integer": "integer", "number": "number", "boolean": "boolean"}


@dataclass(frozen=True, slots=True)
class Property:
    name: str
    kind: str  # of WORDS, or "choice"
    is_required: bool
    choices: Sequence[Any] = ()
    default: Any = NOTHING

    @property
    def words(self) -> str:
        if self.kind == "choice":
            return " or ".join(str(choice) for choice in self.choices)
        return WORDS[self.kind]


def schema_for(rows: Sequence[RegisteredFunction], name: str) -> dict[str, Any] | None:
    """The first schema with properties of a function that an event of this name starts."""
    for row in rows:
        for entry in _entries(row):
            pattern, schema = str(entry.get("event") or ""), entry.get("data")
            is_meant = fnmatchcase(name, pattern.replace("[", "[[]"))
            if is_meant and isinstance(schema, dict) and schema.get("properties"):
                return schema
    return None


def _entries(row: RegisteredFunction) -> list[dict[str, Any]]:
    config = row.config if isinstance(row.config, dict) else {}
    found = config.get("triggers")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def properties(schema: dict[str, Any]) -> list[Property]:
    """Of one level; what is nested is JSON."""
    told, required = schema.get("properties"), schema.get("required") or []
    if not isinstance(told, dict):
        return []
    order = {str(name): place for place, name in enumerate(schema.get("order") or ())}
    return [
        _property(name, told[name], schema, name in required)
        for name in sorted(told, key=lambda name: order.get(name, len(order)))
        if isinstance(told[name], dict)
    ]


def _property(
    name: str, spec: dict[str, Any], schema: dict[str, Any], is_required: bool
) -> Property:
    default = spec.get("default", NOTHING)
    options = [option for option in _options(spec, schema) if option.get("type") != "null"]
    choices = [choice for option in options for choice in _choices(option)]
    kinds = [_kind(option) for option in options]
    if choices and len(choices) >= len(options) and all(map(_choices, options)):
        return Property(name, "choice", is_required, choices, default)
    if {"number", "text"} == set(kinds) or "decimal" in kinds:  # how a Decimal may be given
        return Property(name, "decimal", is_required, default=default)
    kind = kinds[0] if len(kinds) == 1 else "json"
    return Property(name, kind, is_required, default=default)


def _options(
    spec: dict[str, Any], schema: dict[str, Any], levels: int = 3
) -> Iterator[dict[str, Any]]:
    """A value's possible kinds, references followed; {} for what is nested deeper."""
    reference = spec.get("$ref")
    if isinstance(reference, str):
        found = (schema.get("$defs") or {}).get(reference.rpartition("/")[2])
        spec = found if isinstance(found, dict) else {}
    union = spec.get("anyOf")
    if not isinstance(union, list):
        yield spec
    elif not levels:
        yield {}
    else:
        for option in union:
            yield from _options(option, schema, levels - 1)


def _choices(option: dict[str, Any]) -> list[Any]:
    if "const" in option:
        return [option["const"]]
    found = option.get("enum")
    return found if isinstance(found, list) else []


def _kind(option: dict[str, Any]) -> str:
    kind = TYPES.get(str(option.get("type")), "json")
    form = option.get("format")
    return str(form) if kind == "text" and form in WORDS else kind


def in_words(schema: dict[str, Any]) -> str:
    """“Order: id (a whole number), due (a date; may be left out)”."""
    found = properties(schema)
    told = [
        f"{one.name} ({one.words}{'' if one.is_required else '; may be left out'})"
        for one in islice(found, MAX_IN_WORDS)
    ]
    more = [f"{len(found) - len(told)} more"] if len(found) > len(told) else []
    title = str(schema.get("title") or "an object")
    return excerpt(f"{title}: {', '.join(told + more)}" if told else title, 1_000)
