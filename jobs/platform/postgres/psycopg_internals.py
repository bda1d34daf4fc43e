"""What leans on psycopg's private parts."""

from __future__ import annotations

from psycopg._preparing import PrepareManager


class ByName(PrepareManager):
    """Deallocates by name: rule 6 of pipeline.py."""

    def clear(self) -> bool:
        self._counts.clear()
        self._to_flush.extend(self._names.values())
        self._names.clear()
        return bool(self._to_flush)
