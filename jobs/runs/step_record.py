from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jobs.ids import new_key
from jobs.models import REMEMBERED
from jobs.platform.postgres.query import NO_COLUMN


@dataclass(slots=True, eq=False)
class StepRecord:
    """A row of jobs_step without the run. A model's instance takes four times as long."""

    name: str
    kind: str
    id: uuid.UUID | str = field(default_factory=new_key)
    status: str = ""
    position: int = 0
    attempts: int = 0
    output: Any = None
    output_bytes: int | None = None
    error: dict[str, Any] | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    due_at: datetime | None = None
    awaits: str = ""
    detail: dict[str, Any] = field(default_factory=dict)

    # Made by this execution.
    is_new: bool = field(default=True, metadata=NO_COLUMN)

    @property
    def is_remembered(self) -> bool:
        return self.status in REMEMBERED
