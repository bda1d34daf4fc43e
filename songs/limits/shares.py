"""A limit of what is frequent and cheap: files, and news of songs.

A process takes a share of a limit, a fiftieth of it, and counts in its memory until the share is
used up or the window has ended. So 50 requests cost a statement or two, and never more are answered
than the limit allows: what a process has not used counts as used. A process that was refused asks
again after some seconds, when an operator may have changed the limit.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest
from django.utils import timezone

from jobs.api import is_unavailable
from songs.limits import counts
from songs.limits.counts import Asked, Taken
from songs.limits.permits import asked_of, refused, without
from songs.limits.refusals import TooMany

PARTS = 50  # of a limit
ASK_AGAIN = 5.0  # seconds that a process remembers a refusal
MOST_REMEMBERED = 10_000  # subjects

Key = tuple[str, str]


@dataclass
class Share:
    """So many are left until a moment of the process's clock. With a refusal there are none."""

    left: int
    until: float
    refusal: TooMany | None = None


class Shares:
    """The shares of one process. Its threads use them at once."""

    def __init__(self) -> None:
        self.known: dict[Key, Share] = {}
        self.lock = threading.Lock()

    def forget(self) -> None:
        with self.lock:
            self.known.clear()

    def use(self, asked: list[Asked]) -> list[Asked]:
        """Use one of each share. Returns those of which none is left; then nothing is used. Raises
        TooMany if a refusal is remembered."""
        now = time.monotonic()
        with self.lock:
            shares = [self._valid(one, now) for one in asked]
            for share in shares:
                if share.refusal:
                    raise share.refusal
            empty = [one for one, share in zip(asked, shares, strict=True) if not share.left]
            for share in () if empty else shares:
                share.left -= 1
            return empty

    def add(self, taken: list[Taken]) -> None:
        now = time.monotonic()
        with self.lock:
            for row in taken:
                left = self._valid(row.asked, now).left
                self._keep(row.asked, Share(left + row.amount, now + row.seconds), now)

    def remember(self, refusal: TooMany, full: list[Asked]) -> None:
        now = time.monotonic()
        with self.lock:
            for one in full:
                self._keep(one, Share(0, now + min(refusal.wait, ASK_AGAIN), refusal), now)

    def _valid(self, one: Asked, now: float) -> Share:
        share = self.known.get(key_of(one))
        return share if share and share.until > now else Share(0, now)

    def _keep(self, one: Asked, share: Share, now: float) -> None:
        self.known[key_of(one)] = share
        if len(self.known) > MOST_REMEMBERED:
            self.known = {key: old for key, old in self.known.items() if old.until > now}
        while len(self.known) > MOST_REMEMBERED:
            del self.known[next(iter(self.known))]  # what is left of it counts as used


def key_of(one: Asked) -> Key:
    return one.rule.name, one.subject


shares = Shares()


def use_one(kind: str, request: HttpRequest) -> None:
    """Count one more of a kind, or raise TooMany."""
    asked = asked_of(kind, request)
    empty = shares.use(asked)
    if not empty:
        return
    wanted = [replace(one, amount=_share_of(one.rule.default)) for one in empty]
    taken = _taken(wanted)
    shares.add(taken)
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


def _share_of(most: int | None) -> int:
    return max((most or 0) // PARTS, 1)
