"""Secrets by reference, and the mask that keeps their values out of rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed

from jobs import conf
from jobs.errors import InvalidStep, UnknownSecret
from jobs.lib.secret_spellings import MAX_CHARACTER, encoded, pattern_of, plain

MIN_LENGTH = 6  # a shorter value would match inside ordinary words
PLACE = "{}"  # in a template
_resolved: dict[str, str] = {}


# --- by reference ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Secret:
    """The name of a setting, whose value is read at sending.

    `Secret("MODAL_KEY", "Bearer {}")` puts the value into a template: one line with one `{}`, else
    InvalidStep.
    """

    name: str
    template: str = PLACE

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise InvalidStep('A Secret takes the name of a setting: Secret("MODAL_KEY").')
        if not isinstance(self.template, str) or self.template.count(PLACE) != 1:
            raise InvalidStep(
                f"Secret(“{self.name}”): its template has one {{}} where the value goes, as "
                "“Bearer {}” has."
            )
        if not self.template.isprintable() or self.template != self.template.strip():
            raise InvalidStep(
                f"Secret(“{self.name}”): its template is one line of printable characters without "
                "space around them."
            )

    def __format__(self, spec: str) -> str:
        """An f-string would send the setting's name in place of its value."""
        raise InvalidStep(
            f"Secret(“{self.name}”) stands in an f-string, which would not hold its value. Give it "
            f'a template: Secret("{self.name}", "Bearer {{}}").'
        )

    def reference(self) -> dict[str, str]:
        whole = {"$secret": self.name}
        return whole if self.template == PLACE else whole | {"$template": self.template}

    def value(self) -> str:
        """The text to send. Raises UnknownSecret if the setting is missing or empty."""
        found = getattr(settings, self.name, None)
        if not isinstance(found, str) or not found:
            raise UnknownSecret(f"Secret(“{self.name}”): settings.{self.name} is missing or empty.")
        if _resolved.get(self.name) != found:
            _resolved[self.name] = found
            _look_again()
        return self.template.replace(PLACE, found)


def reference_for(value: str) -> str | dict[str, str]:
    for name, secret in known().items():
        if value == secret:
            return Secret(name).reference()
    return value


def way_out(text: str, name: str) -> str:
    value = known()[name].strip()
    template = text.strip().replace(value, PLACE)
    if template.count(PLACE) == 1 and template.isprintable() and not names_in(template):
        return f'Secret("{name}")' if template == PLACE else f'Secret("{name}", {template!r})'
    return "Secret(…) of a setting that holds the header's whole value"


def resolve(value: str | dict[str, str]) -> str:
    if isinstance(value, dict):
        return Secret(value["$secret"], value.get("$template", PLACE)).value()
    return value


@lru_cache(maxsize=1)
def known() -> dict[str, str]:
    """Names and values that must not be written."""
    named = {name: getattr(settings, name, "") for name in conf.secrets()} | _resolved
    return {
        name: value
        for name, value in named.items()
        if isinstance(value, str) and len(value.strip()) >= MIN_LENGTH
    }


# --- the mask -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mask:
    """Patterns and texts, with their secrets' names."""

    patterns: list[tuple[re.Pattern[str], str]]
    texts: list[tuple[str, str]]
    plain: set[str]
    written: set[str]  # of `texts`
    shortest: int  # characters of the shortest spelling
    longest: int

    def may_find(self, text: str) -> bool:
        """Most texts hold neither a secret nor an escape."""
        if not self.plain or len(text) < self.shortest:
            return False
        if "\\" in text or "%" in text or "&" in text or "+" in text:
            return True
        return any(map(text.lower().__contains__, self.plain)) or any(
            map(text.__contains__, self.written)
        )

    def find(self, text: str) -> Iterator[tuple[int, int, str]]:
        """(start, end, name); values may overlap."""
        for pattern, name in self.patterns:
            found = pattern.search(text)
            while found is not None:
                yield found.start(), found.end(), name
                found = pattern.search(text, found.start() + 1)
        for written, name in self.texts:
            start = text.find(written)
            while start >= 0:
                yield start, start + len(written), name
                start = text.find(written, start + 1)


@lru_cache(maxsize=1)
def _mask() -> Mask:
    values = [(part, name) for name, value in known().items() for part in _parts(value)]
    texts = [(text, name) for value, name in values for text in encoded(value)]
    written = {text for text, _ in texts}
    as_they_are = {text for value, _ in values for text in plain(value)}
    spellings = [*written, *as_they_are, *(value for value, _ in values)]
    return Mask(
        patterns=[(pattern_of(value), name) for value, name in values],
        texts=texts,
        written=written,
        plain=as_they_are,
        shortest=min(map(len, spellings), default=0),
        longest=max((len(value) for value, _ in values), default=0) * MAX_CHARACTER,
    )


def _parts(value: str) -> list[str]:
    """Logs split a private key's lines."""
    lines = [line.strip() for line in value.splitlines()]
    return [value.strip(), *(line for line in lines[1:] and lines if len(line) >= MIN_LENGTH)]


def _look_again(**_: Any) -> None:
    """Only tests change settings."""
    known.cache_clear()
    _mask.cache_clear()


setting_changed.connect(_look_again)


def mask(text: str) -> str:
    """Replace secrets, however spelled, by their names; the outer of nested ones."""
    return mask_up_to(len(text), text)


def mask_up_to(end: int, text: str) -> str:
    """The masked text up to `end`, and all of a value that begins before it."""
    return _masked_until(end, text)[0]


def mask_begun(text: str) -> tuple[str, str]:
    """The masked part of an unfinished text, and the rest, where a value may have begun."""
    return _masked_until(max(0, len(text) - longest()), text)


def _masked_until(end: int, text: str) -> tuple[str, str]:
    if not _mask().may_find(text):
        return text[:end], text[end:]
    pieces, at, last = [], 0, ""
    for start, stop, name in sorted(_mask().find(text), key=lambda span: (span[0], -span[1])):
        if start >= max(at, end):
            break
        if stop > at:
            if start >= at or name != last:  # else a secret overlaps itself
                pieces += [text[at:start], f"[{name}]"]
            at, last = stop, name
    return "".join([*pieces, text[at:end]]), text[max(at, end) :]


def longest() -> int:
    return _mask().longest


def names_in(text: str) -> list[str]:
    if not _mask().may_find(text):
        return []
    return list(dict.fromkeys(name for _, _, name in _mask().find(text)))


def mask_json(value: Any) -> Any:
    """Masks texts, keys and the digits of numbers."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, list):  # a comprehension costs another call per level
        items = []
        for item in value:
            items.append(mask_json(item))
        return items
    if isinstance(value, dict):
        found = {}
        for key, item in value.items():
            found[mask(key)] = mask_json(item)
        return found
    if isinstance(value, bool) or value is None:
        return value
    written = json.dumps(value)
    masked = mask(written)
    return value if masked == written else masked
