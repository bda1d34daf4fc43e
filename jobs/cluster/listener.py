"""How a cluster's pusher hears that a run may be due, and tells the other clusters.

1. LISTEN is for a session, so it goes to a direct connection only: to the pusher's own, or, where
   that goes through a pool in transaction mode, to a second one, of the database that
   `JOBS["LISTEN"]` names. Without one the cluster looks more often.
2. A process that has told the clusters a moment ago tells nothing (notifier, 2). So a cluster that
   hears a word looks at once, and once more when that moment is over.
3. What a cluster's own processes have to say, its bells say. The pusher passes it on to the other
   clusters, and its own words it does not hear.
4. Where the second connection cannot be had, or does not lead to the same database, the cluster
   looks more often, and tries again after a while.
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
from jobs.platform.postgres.notifier import ANYTHING, CHANNEL, GAP, RUN_DUE

logger = logging.getLogger("jobs.engine")

POLL = 1.0  # seconds between two looks when nothing is heard
POLL_UNTOLD = 0.1  # the same where nothing can be heard
AGAIN = GAP + 0.002  # seconds after a word at which to look once more
RETRY = 30.0  # seconds after which a second connection is tried again
ECHO = 1.0  # seconds in which a word that goes through the pool arrives

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
    """The pusher's; used by its one thread."""

    def __init__(self) -> None:
        self.again = math.inf  # when to look once more (monotonic); see (2)
        self._alias: str | None = None  # the connection that listens
        self._is_open = False
        self._opens_at = 0.0
        self._has_said = False

    def open(self) -> bool:
        """Listen, where that is possible; whether it began just now: then anything may be due."""
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
        self.again = time.monotonic() + AGAIN

    def _listen_directly(self, alias: str) -> None:
        """See (4)."""
        try:
            self._listen(alias)
        except DatabaseError as error:
            self._lose(error)
            return
        notifier.say(RUN_DUE)
        if not self._is_heard(alias):
            logger.error(UNHEARD, DEFAULT_DB_ALIAS, alias, POLL_UNTOLD)
            self._close_own()
            self._opens_at = math.inf

    @staticmethod
    def _is_heard(alias: str) -> bool:
        """Whether a word that went through the pool arrives here."""
        raw: Any = connections[alias].connection
        return any(True for _ in raw.notifies(timeout=ECHO, stop_after=1))

    def _lose(self, error: BaseException) -> None:
        logger.warning(LOST, conf.listen(), error, RETRY, POLL_UNTOLD)
        self._close_own()

    def _close_own(self) -> None:
        alias, self._alias = conf.listen(), None
        self._opens_at = time.monotonic() + RETRY
        if alias is not None:
            with contextlib.suppress(Exception):
                connections[alias].close()

    def close(self) -> None:
        """After an error of the database: it listens again when it is opened next."""
        if self._alias not in (None, DEFAULT_DB_ALIAS):
            self._close_own()
        self._is_open, self._opens_at, self._alias = False, 0.0, None

    @property
    def poll(self) -> float:
        """Seconds between two looks when nothing is heard."""
        return POLL if self._alias else POLL_UNTOLD

    @property
    def readers(self) -> list[int]:
        """The descriptors that can be read when there is something to hear."""
        return [connections[self._alias].connection.fileno()] if self._alias else []

    def hear(self) -> set[str]:
        """What other clusters and processes have told since the last time."""
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
            self.again = time.monotonic() + AGAIN
        return words

    @staticmethod
    def _words(here: Any) -> set[str]:
        with here.wrap_database_errors:
            own = here.connection.info.backend_pid
            told = here.connection.notifies(timeout=0)
            return {word.payload for word in told if word.pid != own}

    def tell_others(self) -> None:
        """Tell the other clusters what a bell of this one has said."""
        notifier.tell(RUN_DUE, self._alias or DEFAULT_DB_ALIAS)

    def is_to_look_again(self) -> bool:
        """Whether the time for the second look has come: see (2). Asked for once."""
        if time.monotonic() < self.again:
            return False
        self.again = math.inf
        return True
