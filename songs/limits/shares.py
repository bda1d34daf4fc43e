"""A limit of what is frequent and cheap: files, and news of songs.

A process takes a share of a limit, a fiftieth of it, and counts in its memory until the share is
used up or the window has ended. So 50 requests cost a statement or two, and never more are answered
than the limit allows: what a process has not used counts as used. A process that was refused asks
again after some seconds. As often it reads which limits operators have set, and drops its shares of
those that have changed: a lowered limit holds within five seconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest
from django.utils import timezone

from jobs.api import is_unavailable
from songs.limits import counts
from songs.limits.counts import Asked, Full, Taken
from songs.limits.permits import asked_of, refused, without
from songs.limits.refusals import TooMany
from songs.limits.rules import Rule

PARTS = 50  # of a limit
ASK_AGAIN = 5.0  # seconds that a process remembers a refusal, and which limits operators have set
MAX_REMEMBERED = 10_000  # subjects

Key = tuple[str, str]


@dataclass
class Share:
    """So many are left until a moment of the process's clock. Of a limit that is full none are, and
    its window ends at `ends`."""

    left: int
    until: float
    full: Full | None = None
    ends: float = 0.0

    def raise_if_full(self, now: float) -> None:
        if self.full:
            raise TooMany(replace(self.full, seconds=self.ends - now))


class Shares:
    """The shares of one process. Its threads use them at once."""

    def __init__(self) -> None:
        self.known: dict[Key, Share] = {}
        self.lock = threading.Lock()
        self.clock: Callable[[], float] = time.monotonic
        self.limits: dict[str, int] = {}  # that operators have set
        self.look_at = 0.0  # when to read them again
        self.changes = 0  # of the limits

    def forget(self) -> None:
        with self.lock:
            self.known.clear()
            self.look_at = 0.0

    def look(self) -> int:
        """Read now and then what operators have set, and drop the shares of what has changed.
        Returns how often something has."""
        with self.lock:
            now = self.clock()
            if now < self.look_at:
                return self.changes
            self.look_at = now + ASK_AGAIN
        limits = counts.set_by_operators()
        with self.lock:
            changed = {name for name, _ in limits.items() ^ self.limits.items()}
            self.known = {key: old for key, old in self.known.items() if key[0] not in changed}
            self.limits = limits
            self.changes += bool(changed)
            return self.changes

    def size(self, rule: Rule) -> int:
        """How many a share of this rule has."""
        return max(self.limits.get(rule.name, rule.default or 0) // PARTS, 1)

    def use(self, asked: list[Asked]) -> list[Asked]:
        """Use one of each share. Returns those of which none is left; then nothing is used. Raises
        TooMany if a refusal is remembered."""
        now = self.clock()
        with self.lock:
            shares = [self._valid(one, now) for one in asked]
            for share in shares:
                share.raise_if_full(now)
            empty = [one for one, share in zip(asked, shares, strict=True) if not share.left]
            for share in () if empty else shares:
                share.left -= 1
            return empty

    def add(self, taken: list[Taken], changes: int) -> None:
        """Keep what was taken, unless a limit has changed since there were so many changes: then
        it counts as used."""
        now = self.clock()
        with self.lock:
            for row in taken if changes == self.changes else ():
                left = self._valid(row.asked, now).left
                self._keep(row.asked, Share(left + row.amount, now + row.seconds), now)

    def remember(self, refusal: TooMany, asked: list[Asked]) -> None:
        now = self.clock()
        until, ends = now + min(refusal.wait, ASK_AGAIN), now + refusal.full.seconds
        with self.lock:
            for one in asked:
                self._keep(one, Share(0, until, refusal.full, ends), now)

    def _valid(self, one: Asked, now: float) -> Share:
        share = self.known.get(key_of(one))
        return share if share and share.until > now else Share(0, now)

    def _keep(self, one: Asked, share: Share, now: float) -> None:
        self.known[key_of(one)] = share
        if len(self.known) > MAX_REMEMBERED:
            self.known = {key: old for key, old in self.known.items() if old.until > now}
        while len(self.known) > MAX_REMEMBERED:
            del self.known[next(iter(self.known))]  # what is left of it counts as used


def key_of(one: Asked) -> Key:
    return one.rule.name, one.subject


shares = Shares()


def use_one(kind: str, request: HttpRequest) -> None:
    """Count one more of a kind, or raise TooMany."""
    changes = shares.look()
    asked = asked_of(kind, request)
    empty = shares.use(asked)
    if not empty:
        return
    wanted = [replace(one, amount=shares.size(one.rule)) for one in empty]
    taken = _taken(wanted)
    shares.add(taken, changes)
    full = without(wanted, taken)
    if full:
        refusal = refused(full)
        shares.remember(refusal, full)
        raise refusal
    shares.use(asked)


def _taken(wanted: list[Asked]) -> list[Taken]:
    """What the database grants. While it takes no writes nothing is counted: pages that only read
    go on with a reader, as far as a share in some seconds leads."""
    try:
        return counts.take(wanted)
    except (DatabaseError, InterfaceError) as error:
        if not is_unavailable(error):
            raise
    return [Taken(one, timezone.now(), None, one.amount, ASK_AGAIN, None) for one in wanted]
