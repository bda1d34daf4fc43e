"""Secrets by reference, and the mask that keeps their values out of every row."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed

from jobs import conf
from jobs.errors import UnknownSecret

Forms = list[tuple[str, str]]  # how each value may be written inside other text, and its name

SHORTEST = 6  # a shorter value would be masked in the middle of innocent words
_resolved: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Secret:
    """A setting's name that stands for its value, which is read at the moment of sending."""

    name: str

    def reference(self) -> dict[str, str]:
        return {"$secret": self.name}

    def value(self) -> str:
        if not isinstance(self.name, str):
            kind = type(self.name).__name__
            raise UnknownSecret(f"Secret(…) takes the name of a setting, a text, not {kind}.")
        found = getattr(settings, self.name, None)
        if not isinstance(found, str) or not found:
            name = f"{self.name:.80}"
            raise UnknownSecret(f"Secret(“{name}”): settings.{name} is missing or empty.")
        if _resolved.get(self.name) != found:
            _resolved[self.name] = found
            _look_again()
        return found


@lru_cache(maxsize=1)
def known() -> dict[str, str]:
    """Values that must never be written, by the name that stands for each."""
    named = {name: getattr(settings, name, "") for name in conf.secrets()} | _resolved
    return {name: value for name, value in named.items() if len(value or "") >= SHORTEST}


def reference_for(value: str) -> str | dict[str, str]:
    """A plain value, or the reference if it is exactly a known secret."""
    for name, secret in known().items():
        if value == secret:
            return {"$secret": name}
    return value


def resolve(value: str | dict[str, str]) -> str:
    return Secret(value["$secret"]).value() if isinstance(value, dict) else value


def mask(text: str) -> str:
    """The text with each secret's value replaced by its name, also where JSON or repr() has
    escaped it. The longest goes first: one secret may begin with another."""
    return _masked(text, _forms())


def _masked(text: str, forms: Forms) -> str:
    for form, name in forms:
        if form in text:
            text = text.replace(form, f"[{name}]")
    return text


@lru_cache(maxsize=1)
def _forms() -> Forms:
    longest_first = sorted(known().items(), key=lambda item: -len(item[1]))
    return [(form, name) for name, value in longest_first for form in _forms_of(value)]


def _look_again(**_: Any) -> None:
    """Settings stay as they are but in tests, which say so."""
    known.cache_clear()
    _forms.cache_clear()


setting_changed.connect(_look_again)


def _forms_of(value: str) -> tuple[str, ...]:
    escaped = json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]
    quoted = repr(value)[1:-1], repr(value + "'\"")[1:-4], repr(value.encode())[2:-1]
    return tuple(dict.fromkeys((value, *escaped, *quoted)))


def mask_json(value: Any) -> Any:
    """A JSON value with every secret masked: in texts, keys and the digits of numbers."""
    return _masked_json(value, _forms())


def _masked_json(value: Any, forms: Forms) -> Any:
    if isinstance(value, str):
        return _masked(value, forms)
    if isinstance(value, list):  # a comprehension would be a call more for each level
        items = []
        for item in value:
            items.append(_masked_json(item, forms))
        return items
    if isinstance(value, dict):
        found = {}
        for key, item in value.items():
            found[_masked(key, forms)] = _masked_json(item, forms)
        return found
    if isinstance(value, bool) or value is None:
        return value
    written = json.dumps(value)
    masked = _masked(written, forms)
    return value if masked == written else masked
