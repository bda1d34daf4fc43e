"""A request of a run as a command line, its secrets left out."""

from __future__ import annotations

import json
import shlex
from typing import Any

from jobs.models import Fetch


def curl(fetch: Fetch) -> str:
    """`curl -X POST … -H … --data-raw …`. A secret stands as a variable of its name: the command
    works where that is set."""
    parts = ["curl", "-X", shlex.quote(fetch.method), shlex.quote(fetch.url)]
    headers = fetch.headers if isinstance(fetch.headers, dict) else {}
    for name, value in headers.items():
        parts += ["-H", _header(str(name), value)]
    if fetch.body:
        parts += ["--data-raw", shlex.quote(_text(fetch.body))]
    return " ".join(parts)


def _header(name: str, value: Any) -> str:
    if isinstance(value, dict) and isinstance(value.get("$secret"), str):
        variable = "".join(c for c in value["$secret"] if c.isalnum() or c == "_")
        return shlex.quote(f"{name}: ") + f'"${variable}"'
    return shlex.quote(f"{name}: {_text(value)}")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
