"""Secrets by reference, and the mask that keeps their values out of every row."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from jobs import conf
from jobs.errors import UnknownSecret

SHORTEST = 6  # a shorter value would be masked in the middle of innocent words
_resolved: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Secret:
    """A setting's name that stands for its value, which is read at the moment of sending."""

    name: str

    def reference(self) -> dict[str, str]:
        return {"$secret": self.name}

    def value(self) -> str:
        found = getattr(settings, self.name, None)
        if not isinstance(found, str) or not found:
            raise UnknownSecret(f"Secret(“{self.name}”): settings.{self.name} is missing or empty.")
        _resolved[self.name] = found
        return found


def known() -> dict[str, str]:
    """Values that must never be written, by the name that stands for each."""
    names = conf.secrets()
    values = {name: getattr(settings, name, "") for name in names} | _resolved
    return {name: value for name, value in values.items() if len(value or "") >= SHORTEST}


def reference_for(value: str) -> str | dict[str, str]:
    """A plain value, or the reference if it is exactly a known secret."""
    for name, secret in known().items():
        if value == secret:
            return {"$secret": name}
    return value


def resolve(value: str | dict[str, str]) -> str:
    return Secret(value["$secret"]).value() if isinstance(value, dict) else value


def mask(text: str) -> str:
    """The text with each secret's value replaced by its name; also where JSON has escaped it."""
    for name, value in known().items():
        for form in {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}:
            if form in text:
                text = text.replace(form, f"[{name}]")
    return text


def mask_json(value: Any) -> Any:
    """A JSON value with every secret masked, keys included; unchanged if there is none."""
    text = json.dumps(value, ensure_ascii=False)
    masked = mask(text)
    return value if masked == text else json.loads(masked)
