"""Django's cache in a table of the database, and counts in it.

Django's own DatabaseCache counts its table with each write and throws out live rows when there are
too many; a stranger could flush the counts of wrong passwords. Here a row lives until it expires,
and `songs.accounts.clearing` deletes it afterwards. Values are JSON, since a pickle runs code.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.db import connection

from songs.models import CacheEntry

GET = """
SELECT value::text FROM songs_cacheentry
 WHERE key = %s AND (expires_at IS NULL OR expires_at > statement_timestamp())
"""
SET = """
INSERT INTO songs_cacheentry (key, value, expires_at)
VALUES (%s, %s, statement_timestamp() + %s * interval '1 second')
ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at
"""
ADD = SET + " WHERE songs_cacheentry.expires_at <= statement_timestamp()"
# One statement: of two that count at once, the second sees what the first has written.
COUNT = """
INSERT INTO songs_cacheentry AS counted (key, value, expires_at)
VALUES (%s, '1', statement_timestamp() + %s * interval '1 second')
ON CONFLICT (key) DO UPDATE SET
    value = CASE WHEN counted.expires_at > statement_timestamp()
                 THEN to_jsonb(counted.value::int + 1) ELSE '1' END,
    expires_at = CASE WHEN counted.expires_at > statement_timestamp()
                      THEN counted.expires_at ELSE excluded.expires_at END
RETURNING value::int, expires_at - statement_timestamp()
"""
TAKE_BACK = """
UPDATE songs_cacheentry SET value = to_jsonb(value::int - 1)
 WHERE key = ANY(%s) AND value::int > 0 AND expires_at > statement_timestamp()
"""


@dataclass(frozen=True)
class Count:
    """How often something has happened in its window, this time included, and when that ends."""

    number: int
    ends_in: timedelta


def count(key: str, window: timedelta) -> Count:
    """Count one more. The window begins with the first, and the count then begins again."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [key, window.total_seconds()])
        return Count(*cursor.fetchone())


def take_back(*keys: str) -> None:
    """Undo one of each of these counts."""
    with connection.cursor() as cursor:
        cursor.execute(TAKE_BACK, [list(keys)])


class TableCache(BaseCache):
    """The cache API of Django; a timeout is in seconds, and None keeps a value for ever."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(GET, [self.made_key(key, version)])
            row = cursor.fetchone()
        return json.loads(row[0]) if row else default

    def set(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        self._write(SET, key, value, timeout, version)

    def add(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        """Set the value unless a live one is there; whether it was set."""
        return self._write(ADD, key, value, timeout, version)

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        value = self.get(key, version=version)
        return value is not None and self._write(SET, key, value, timeout, version)

    def delete(self, key: Any, version: int | None = None) -> bool:
        return bool(CacheEntry.objects.filter(pk=self.made_key(key, version)).delete()[0])

    def clear(self) -> None:
        CacheEntry.objects.all().delete()

    def made_key(self, key: Any, version: int | None) -> str:
        return str(self.make_and_validate_key(key, version=version))

    def _write(self, sql: str, key: Any, value: Any, timeout: Any, version: int | None) -> bool:
        seconds = self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout
        with connection.cursor() as cursor:
            cursor.execute(sql, [self.made_key(key, version), json.dumps(value), seconds])
            return bool(cursor.rowcount)
