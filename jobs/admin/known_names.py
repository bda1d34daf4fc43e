"""Names of events that an operator may send, and the functions that each starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from jobs.metrics.event_names import latest
from jobs.models import RegisteredFunction
from jobs.registry.event_names import is_reserved

MAX_NAMES = 100


@dataclass(frozen=True, slots=True)
class Known:
    """A name of events, or of a function's trigger."""

    name: str
    functions: list[str]
    last: datetime | None  # the time of its newest event

    @property
    def words(self) -> str:
        return f"starts {', '.join(self.functions)}" if self.functions else "starts no function"


def known_names(rows: Sequence[RegisteredFunction]) -> list[Known]:
    """Those that start a function first; without the engine's own. One query."""
    last = latest()
    patterns = [(row.fn_id, name) for row in rows for name in triggers_of(row)]
    names = {name for _, name in patterns if "*" not in name} | last.keys()
    found = [
        Known(name, _started_by(name, patterns), last.get(name))
        for name in names
        if not is_reserved(name)
    ]
    return sorted(found, key=lambda one: (not one.functions, one.name))[:MAX_NAMES]


def triggers_of(row: RegisteredFunction) -> list[str]:
    config = row.config if isinstance(row.config, dict) else {}
    entries = config.get("triggers")
    found = entries if isinstance(entries, list) else []
    return [str(e["event"]) for e in found if isinstance(e, dict) and e.get("event")]


def _started_by(name: str, patterns: Sequence[tuple[str, str]]) -> list[str]:
    matching = (fn_id for fn_id, p in patterns if fnmatchcase(name, p.replace("[", "[[]")))
    return sorted(set(matching))
