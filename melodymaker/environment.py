"""Read the environment without raising an exception.

Each missing or malformed value adds a sentence to `problems` and gets a usable default. The system
check in `melodymaker.checks` reports all of them at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured


class Environment:
    """The variables of the process, completed by the file `.env` beside `manage.py`."""

    def __init__(self, dotenv: Path) -> None:
        self.problems: list[str] = []
        try:
            if dotenv.is_file():
                environ.Env.read_env(dotenv)
        except (OSError, UnicodeDecodeError) as problem:
            self.problems.append(f"{dotenv} cannot be read: {problem}.")

    def text(self, name: str, default: str = "") -> str:
        return os.environ.get(name, "").strip() or default

    def names(self, name: str, default: list[str]) -> list[str]:
        given = [item.strip() for item in self.text(name).split(",")]
        return [item for item in given if item] or default

    def flag(self, name: str, default: bool) -> bool:
        allowed = "1, true, yes, on or 0, false, no, off"
        words = {"1": True, "true": True, "yes": True, "on": True}
        words |= {"0": False, "false": False, "no": False, "off": False}
        return self._read(name, default, lambda raw: words[raw.lower()], allowed)

    def whole(self, name: str, default: int, *, least: int = 0, most: int | None = None) -> int:
        allowed = f"a whole number of at least {least}"
        if most is not None:
            allowed = f"a whole number from {least} to {most}"
        return self._read(name, default, lambda raw: _within(int(raw), least, most), allowed)

    def port(self, name: str, default: int) -> int:
        allowed = "a port from 1 to 65534"  # not 65535: STUDIO_PORT is PORT + 1
        return self._read(name, default, lambda raw: _between(int(raw), 1, 65534), allowed)

    def one_of(self, name: str, words: list[str]) -> str:
        """One of `words`, in any case; the first is the default."""
        allowed = "one of " + ", ".join(words)
        by_name = {word.upper(): word for word in words}
        return self._read(name, words[0], lambda raw: by_name[raw.upper()], allowed)

    def number(self, name: str, default: float, *, least: float = 0.0) -> float:
        allowed = f"a number of at least {least:g}"
        return self._read(name, default, lambda raw: _at_least(float(raw), least), allowed)

    def amounts(self, name: str, known: Collection[str]) -> dict[str, int]:
        """`name=number` pairs, separated by commas."""
        allowed = f"pairs such as {min(known)}=5, of {', '.join(known)}"
        return self._read(name, {}, lambda raw: _pairs(raw, known), allowed)

    def url(self, name: str, default: str) -> str:
        allowed = "a URL that begins with http:// or https://"
        return self._read(name, default, _http_url, allowed)

    def database(self, name: str, default: dict[str, Any]) -> dict[str, Any]:
        allowed = "a URL such as postgres://user:password@host:5432/name"
        return self._read(name, default, self._postgres, allowed, secret=True)

    def mail(self, name: str) -> dict[str, Any]:
        """Django's settings for mail; none if the variable is not set."""
        allowed = "a URL such as smtp+tls://user:password@smtp.example.org:587"
        return self._read(name, {}, _mail, allowed, secret=True)

    def _postgres(self, raw: str) -> dict[str, Any]:
        if urlsplit(raw).scheme not in ("postgres", "postgresql"):
            raise ValueError(raw)
        config: dict[str, Any] = environ.Env.db_url_config(raw)
        if not config["NAME"]:
            raise ValueError(raw)
        return config

    def _read(
        self,
        name: str,
        default: Any,
        parse: Callable[[str], Any],
        allowed: str,
        secret: bool = False,
    ) -> Any:
        raw = self.text(name)
        if not raw:
            return default
        try:
            return parse(raw)
        except (ValueError, KeyError, TypeError):
            given = "what is set" if secret else f"“{raw}”"
            self.problems.append(f"{name}: {given} is not {allowed}.")
            return default


def _mail(raw: str) -> dict[str, Any]:
    parts = urlsplit(raw)
    if parts.scheme.startswith("smtp") and not parts.hostname:
        raise ValueError(raw)
    try:
        settings: dict[str, Any] = environ.Env.email_url_config(raw)
    except ImproperlyConfigured as problem:  # a scheme that it does not know
        raise ValueError(raw) from problem
    return settings


def _within(value: int, least: int, most: int | None) -> int:
    if most is not None and value > most:
        raise ValueError(value)
    return int(_at_least(value, least))


def _at_least(value: Any, least: Any) -> Any:
    if not value >= least or value == float("inf"):
        raise ValueError(value)
    return value


def _between(value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise ValueError(value)
    return value


def _pairs(raw: str, known: Collection[str]) -> dict[str, int]:
    pairs = dict(pair.partition("=")[::2] for pair in raw.split(",") if pair.strip())
    found = {name.strip(): _within(int(number), 0, 2**31 - 1) for name, number in pairs.items()}
    if not set(found) <= set(known):
        raise ValueError(raw)
    return found


def _http_url(raw: str) -> str:
    parts = urlsplit(raw)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError(raw)
    return raw
