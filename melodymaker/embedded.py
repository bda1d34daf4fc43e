"""placeholder until the embedded PostgreSQL lands"""

from __future__ import annotations
from pathlib import Path
from typing import Any


class DatabaseUnavailable(Exception): ...


def connection(base: Path) -> dict[str, Any]:
    return {"NAME": "melodymaker", "USER": "postgres", "HOST": "/tmp/devpg", "PORT": "5544"}


def wanted(argv: list[str]) -> bool:
    return False


def start(base: Path) -> None: ...
