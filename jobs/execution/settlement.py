"""How an execution ends, as written to its run's row."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """Ended, or due again after a delay (seconds), at a time, or by a wake."""

    status: str
    reason: str = ""
    delay: float | None = None
    until: datetime | None = None
    ended: bool = False
    output: Any = None
    error: dict[str, Any] | None = None

    def parameters(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in ("status", "reason", "delay", "until")}
        values["ended"] = self.ended
        values["output"] = None if self.output is None else json.dumps(self.output)
        values["error"] = None if self.error is None else json.dumps(self.error)
        return values
