"""How a pusher hears that a run may be due, and tells other clusters.

1. LISTEN needs a session: the pusher's direct connection, or, behind a pool in transaction mode,
   one to the database that `JOBS["LISTEN"]` names. Without one, the cluster looks more often.
2. A process notifies once per GAP (notifier, 2), so the cluster looks at once, and again after GAP.
3. The cluster's processes notify its wakeups. The pusher tells other clusters, and skips its own
   notifications.
4. Words can come by the thousand a second, from many senders, and each costs the cluster a look and
   its sender a commit under the lock of all that notify. Beyond a BURST the cluster looks by
   itself, once per GAP, under a lock at which senders see that (notifier, 4), until it has found
   nothing for a while, in which it looks less often, or has no room. It always looks once more
   without the lock.
5. If the second connection fails or leads to another database, the cluster looks more often; a
   failed one is retried.
"""

from __future__ import annotations

import contextlib
import logging
import math
import time
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db import Error as DatabaseError

from jobs import conf
from jobs.platform.postgres import notifier, statements
from jobs.platform.postgres.notifier import ANYTHING, CHANNEL, GAP, LOOKS_BY_ITSELF, RUN_DUE

logger = logging.getLogger("jobs.engine")

POLL = 1.0  # seconds between looks without notifications
POLL_UNTOLD = 0.1  # while nothing listens
AGAIN = GAP + 0.002  # seconds from a word to the second look
RETRY_INTERVAL = 30.0  # seconds; for the second connection
BURST = 20  # words, of which one per GAP is forgotten
IDLE = 30  # looks by itself, after the last one that found a run
EAGER = 5  # of them, once per GAP; then once per IDLE_GAP
IDLE_GAP = 0.05  # seconds
LOCK_LOOKS = f"SELECT pg_try_advisory_lock({LOOKS_BY_ITSELF})"
UNLOCK_LOOKS = f"SELECT pg_advisory_unlock({LOOKS_BY_ITSELF})"
ECHO = 1.0  # seconds for a notification through the pool

DEAF = (
    "The database connections go through a pool in transaction mode, where LISTEN is not possible: "
    'the cluster looks for due runs every %g s. Set DATABASE_LISTEN_URL (JOBS["LISTEN"]) to a '
    "direct connection, and it is told of them."
)
UNHEARD = (
    'JOBS["LISTEN"]: what is told through the database “%s” is not heard through “%s”. Both must '
    "lead to the same database, the second one directly. Meanwhile the cluster looks for due runs "
    "every %g s."
)
LOST = (
    'JOBS["LISTEN"]: there is no connection to “%s”: %s. It is tried again after %g s. Meanwhile '
    "the cluster looks for due runs every %g s."
)


class Listener:
    def __init__(self) -> None:
        # When to look, monotonic:
        self._second_look = math.inf  # again after a word (2)
        self._own_look = math.inf  # later than a word, or by itself (4)
        self._is_by_itself, self._idle_looks = False, 0
        self._looks_left, self._refilled = float(BURST), time.monotonic()
        self._alias: str | None = None  # the listening connection
        self._is_open = False
        self._opens_at = 0.0
        self._has_said = False

    def open(self) -> bool:
        """True if it listens only now: anything may be due."""
        if self._is_open and (self._alias or time.monotonic() < self._opens_at):
            return False
        self._is_open, self._opens_at, self._alias = True, math.inf, None
        alias = self._which()
        if alias == DEFAULT_DB_ALIAS:
            self._listen(alias)
        elif alias is not None:
            self._listen_directly(alias)
        elif not self._has_said:
            self._has_said = True
            logger.info(DEAF, POLL_UNTOLD)
        return True

    @staticmethod
    def _which() -> str | None:
        if not statements.has_pool():
            return DEFAULT_DB_ALIAS
        return conf.listen()

    def _listen(self, alias: str) -> None:
        with connections[alias].cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")
        self._alias = alias
        self._second_look = time.monotonic() + AGAIN

    def _listen_directly(self, alias: str) -> None:
        """See (5)."""
        try:
            self._listen(alias)
        except DatabaseError as error:
            self._lose(error)
            return
        notifier.notify_now(ANYTHING)
        if not self._is_heard(alias):
            logger.error(UNHEARD, DEFAULT_DB_ALIAS, alias, POLL_UNTOLD)
            self._close_own()
            self._opens_at = math.inf

    @staticmethod
    def _is_heard(alias: str) -> bool:
        raw: Any = connections[alias].connection
        return any(True for _ in raw.notifies(timeout=ECHO, stop_after=1))

    def _lose(self, error: BaseException) -> None:
        logger.warning(LOST, conf.listen(), error, RETRY_INTERVAL, POLL_UNTOLD)
        self._close_own()

    def _close_own(self) -> None:
        alias, self._alias = conf.listen(), None
        self._opens_at = time.monotonic() + RETRY_INTERVAL
        self._is_by_itself = False  # the lock ends with the session
        if alias is not None:
            with contextlib.suppress(Exception):
                connections[alias].close()

    def close(self) -> None:
        """After a database error; `open` listens again."""
        if self._alias not in (None, DEFAULT_DB_ALIAS):
            self._close_own()
        self._is_open, self._opens_at, self._alias = False, 0.0, None
        self._is_by_itself = False

    @property
    def poll(self) -> float:
        return POLL if self._alias else POLL_UNTOLD

    @property
    def readers(self) -> list[int]:
        return [connections[self._alias].connection.fileno()] if self._alias else []

    def hear(self) -> set[str]:
        if self._alias is None:
            return set()
        try:
            words = self._words(connections[self._alias])
        except DatabaseError as error:
            if self._alias == DEFAULT_DB_ALIAS:
                raise
            self._lose(error)
            return {ANYTHING}
        if words:
            self._second_look = time.monotonic() + AGAIN
        return words

    @staticmethod
    def _words(here: Any) -> set[str]:
        with here.wrap_database_errors:
            own = here.connection.info.backend_pid
            told = here.connection.notifies(timeout=0)
            return {word.payload for word in told if word.pid != own}

    def notify_others(self) -> None:
        notifier.notify(RUN_DUE, self._alias or DEFAULT_DB_ALIAS)

    @property
    def next_look(self) -> float:
        """By the monotonic clock."""
        return min(self._second_look, self._own_look)

    def may_look(self) -> bool:
        """False: `next_look` is put off (4)."""
        now = time.monotonic()
        # A burst is used up by looks, and fills by one per GAP.
        self._looks_left = min(BURST, self._looks_left + (now - self._refilled) / GAP)
        self._refilled = now
        if self._looks_left < 1:
            self._own_look = min(self._own_look, now + (1 - self._looks_left) * GAP)
            if self._alias is not None and not self._is_by_itself:
                self._is_by_itself, self._idle_looks = self._ask(LOCK_LOOKS), 0
            return False
        self._looks_left -= 1
        return True

    def looked(self, *, has_found: bool) -> None:
        if not self._is_by_itself:
            return
        self._idle_looks = 0 if has_found else self._idle_looks + 1
        if self._idle_looks < IDLE:
            gap = GAP if self._idle_looks < EAGER else IDLE_GAP
            self._own_look = min(self._own_look, time.monotonic() + gap)
        else:
            self.want_words()
            self._looks_left = BURST / 4  # words may still come as fast, with nothing due

    def want_words(self) -> bool:
        """True if the cluster looked by itself; `next_look` is now, for what was not told, and once
        more: a process that was not to tell is silent for GAP.
        """
        if not self._is_by_itself:
            return False
        self._is_by_itself, self._own_look = False, time.monotonic()
        self._second_look = time.monotonic() + AGAIN
        self._looks_left = float(BURST)
        self._ask(UNLOCK_LOOKS)
        return True

    def _ask(self, question: str) -> bool:
        here: Any = connections[self._alias or DEFAULT_DB_ALIAS]
        try:
            with here.cursor() as cursor:
                cursor.execute(question)
                (answer,) = cursor.fetchone()
                return bool(answer)
        except DatabaseError as error:
            if self._alias == DEFAULT_DB_ALIAS:
                raise
            self._lose(error)
            return False

    def is_to_look_again(self) -> bool:
        now = time.monotonic()
        if now < self.next_look:
            return False
        if now >= self._own_look:
            self._own_look = math.inf
            self._looks_left -= 1
        if now >= self._second_look:
            self._second_look = math.inf
        return True
