"""A permit for what is rare and dear: an order, a sign-up. It costs one statement."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.http import HttpRequest
from django.utils import timezone

from songs.limits import counts
from songs.limits.counts import Asked, Full, Taken
from songs.limits.network import network_of
from songs.limits.refusals import TooMany
from songs.limits.rules import ACCOUNT, ALL, MAKING, NETWORK, Rule, of_kind

ALL_TOGETHER = "*"


@dataclass
class Permit:
    """One more of a kind for a request: counted already, or refused."""

    account: str
    taken: list[Taken]
    refusal: TooMany | None = None
    in_the_making: int = 0  # of the listener's songs, where that was too many

    def require(self, in_the_making: int = 0) -> None:
        """Raise TooMany if a limit is reached: one of the permit, or that of songs in the making,
        of which the listener has so many."""
        if self.refusal:
            raise self.refusal
        most = self.most_in_the_making
        if most is not None and in_the_making >= most:
            self.in_the_making = in_the_making
            raise TooMany(Full(MAKING, most, 0.0, timezone.now()))

    @property
    def most_in_the_making(self) -> int | None:
        set_by_operator = next((row.making for row in self.taken), None)
        return MAKING.default if set_by_operator is None else set_by_operator

    def add(self, other: Permit) -> None:
        """Take one more; if one is refused, both are."""
        self.taken += other.taken
        self.refusal = self.refusal or other.refusal
        if self.refusal:
            self.give_back()

    def give_back(self) -> None:
        """What was counted was not needed. Call it outside the transaction that found that out."""
        if self.taken:
            counts.give_back(self.taken)
        self.taken = []


@contextmanager
def taking(kind: str, request: HttpRequest, number: int = 1) -> Iterator[Permit]:
    """Count so many more of a kind, and give them back if the block raises.

    A permit that is refused raises nothing before `require` is called: a form that is sent twice
    is answered with what it did the first time, whatever the limits say.
    """
    permit = _ask(kind, request)
    for _ in range(number - 1):
        permit.add(_ask(kind, request))
    try:
        yield permit
    except Exception as error:
        permit.give_back()
        if isinstance(error, TooMany) and error.full.rule is MAKING:
            counts.note([Asked(MAKING, permit.account)], permit.in_the_making)
        raise


def _ask(kind: str, request: HttpRequest) -> Permit:
    asked = asked_of(kind, request)
    taken = counts.take(asked)
    permit = Permit(account_of(request), taken)
    full = without(asked, taken)
    if full:
        permit.give_back()
        permit.refusal = refused(full)
    return permit


def without(asked: list[Asked], taken: list[Taken]) -> list[Asked]:
    """What was asked and not granted."""
    granted = [row.asked for row in taken]
    return [one for one in asked if one not in granted]


def refused(full: list[Asked]) -> TooMany:
    """The refusal that tells the longest time to wait; all are noted for operators."""
    return TooMany(max(counts.note(full), key=lambda found: found.seconds))


def asked_of(kind: str, request: HttpRequest) -> list[Asked]:
    """What a request asks of each rule. A visitor without an account has none to count for."""
    asked = [Asked(rule, _subject(rule, request)) for rule in of_kind(kind)]
    return [one for one in asked if one.subject]


def _subject(rule: Rule, request: HttpRequest) -> str:
    subjects = {ACCOUNT: account_of, NETWORK: network_of, ALL: lambda request: ALL_TOGETHER}
    return subjects[rule.scope](request)


def account_of(request: HttpRequest) -> str:
    return str(request.user.pk) if request.user.is_authenticated else ""
