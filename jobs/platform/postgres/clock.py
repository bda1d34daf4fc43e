"""The database's clock, for all machines: a worker learns the time with each claim and counts on
with its monotonic clock, never a wall clock.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection


@dataclass(frozen=True, slots=True)
class Clock:
    at: datetime
    monotonic: float = field(default_factory=time.monotonic)

    def now(self) -> datetime:
        return self.at + timedelta(seconds=time.monotonic() - self.monotonic)

    @property
    def age(self) -> float:
        return time.monotonic() - self.monotonic


def database_clock() -> Clock:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return Clock(cursor.fetchone()[0])
