"""The only code that writes the ledger.

`User.credits` always equals the sum of the account's entries: one transaction changes both, under
the lock of the account's row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from jobs.api import excerpt
from songs.models import CHARGES, CreditEntry, EntryKind, Song, User

LARGEST_BALANCE = 1_000_000_000
A_MOMENT = timedelta(minutes=10)
WHY_LIMIT = 300  # characters


class NotEnoughCredits(ValueError):
    """The operator wants to take back more credits than the account has."""

    def __init__(self, user: User, credits: int, amount: int) -> None:
        self.credits, self.amount = credits, amount
        super().__init__(
            f"{user.get_username()} has {credits} credits; {-amount} cannot be taken back. "
            f"Take at most {credits}."
        )


class GrantedBefore(ValueError):
    """The same operator has just granted the same amount for the same reason."""

    def __init__(self, entry: CreditEntry) -> None:
        super().__init__(
            f"You granted {entry.amount:+d} credits for this reason in the last ten minutes. "
            "Tick the box to grant them once more."
        )


@dataclass(frozen=True)
class Balance:
    """A listener's credits, and how many of them songs in the making will cost."""

    credits: int
    spoken_for: int

    @property
    def available(self) -> int:
        return max(self.credits - self.spoken_for, 0)

    @property
    def refusal(self) -> str:
        """Why the listener cannot order a song now; empty if that is possible."""
        if self.available:
            return ""
        if not self.credits:
            return "You have no credits left. Ask the operators of this site for more."
        if self.credits == 1:
            return "Your last credit is spoken for by a song in the making. Wait until it is ready."
        return (
            f"All {self.credits} of your credits are spoken for by songs in the making. "
            "Wait until one of these songs is ready."
        )


def balance(user: User) -> Balance:
    credits = User.objects.values_list("credits", flat=True).get(pk=user.pk)
    return Balance(credits, Song.objects.owned_by(user).in_the_making().count())


def available(user: User) -> int:
    """The credits that no song in the making has reserved."""
    return balance(user).available


@transaction.atomic
def grant(
    user: User,
    amount: int,
    *,
    why: str,
    by: User | None = None,
    kind: EntryKind = EntryKind.GRANT,
) -> CreditEntry:
    """Grant credits; a negative amount takes them back.

    Raises NotEnoughCredits if the balance would go below zero, and ValueError for an amount of zero
    or a balance that is too large.
    """
    credits = lock(user).credits
    if credits + amount < 0:
        raise NotEnoughCredits(user, credits, amount)
    if amount == 0 or credits + amount > LARGEST_BALANCE:
        raise ValueError(
            f"{amount:,} credits cannot be granted: the amount must not be zero, "
            f"and a balance goes up to {LARGEST_BALANCE:,} (it is {credits:,} now)."
        )
    User.objects.filter(pk=user.pk).update(credits=F("credits") + amount)
    return CreditEntry.objects.create(
        user=user, amount=amount, kind=kind, why=excerpt(why, WHY_LIMIT), by=by
    )


def refuse_repeat(user: User, amount: int, *, why: str, by: User) -> None:
    """Raise GrantedBefore if the ledger has the same grant of the last ten minutes.

    Call this in the transaction of the grant: its lock makes a second tab wait and see the first
    tab's grant.
    """
    lock(user)
    same = CreditEntry.objects.filter(
        user=user, kind=EntryKind.GRANT, by=by, amount=amount, why=excerpt(why, WHY_LIMIT)
    )
    earlier = same.filter(at__gte=Now() - A_MOMENT).first()
    if earlier:
        raise GrantedBefore(earlier)


def welcome(user: User) -> CreditEntry | None:
    """Grant the welcome credits; None if the site gives none."""
    if not settings.STARTING_CREDITS:
        return None
    amount = settings.STARTING_CREDITS
    return grant(user, amount, why="Welcome to MelodyMaker", kind=EntryKind.WELCOME)


@transaction.atomic(savepoint=False)  # a step already has a transaction
def charge(song: Song) -> CreditEntry:
    """Charge one credit for a song, in the transaction in which the song becomes playable.

    1. A wish is charged once: a second call, or another song of the same wish, returns the entry
       of the first. Otherwise a retried step or a second try would charge again.
    2. If the balance is zero by now, the entry is `waived` and moves nothing. The song is made,
       and the listener could not prevent it.
    """
    lock_owner(song)
    earlier = charge_of(song)
    if earlier:
        return earlier
    payers = User.objects.filter(pk=song.owner_id, credits__gte=1)
    paid = payers.update(credits=F("credits") - 1)
    return CreditEntry.objects.create(
        user_id=song.owner_id,
        amount=-paid,
        kind=EntryKind.CHARGE if paid else EntryKind.WAIVED,
        why=song.title,
        song=song,
        wish=song.wish_id,
    )


def charge_of(song: Song) -> CreditEntry | None:
    """The charge for the song, else for another song of the same wish."""
    same = Q(song=song) | Q(wish=song.wish_id) | Q(song_id=song.wish_id)
    entries = list(CreditEntry.objects.filter(same, kind__in=CHARGES))
    own = (entry for entry in entries if entry.song_id == song.pk)
    return next(own, entries[0] if entries else None)


def is_paid_as_another(song: Song) -> bool:
    """Whether another song of the same wish was made and charged."""
    entry = charge_of(song)
    return entry is not None and entry.song_id != song.pk


def lock(user: User) -> User:
    """Lock the listener's row until the transaction ends, and return it as it is now.

    Take this lock before counting a listener's credits or songs, or two tabs could both count
    first and then both spend the last credit. Lock order: the listener's row, the song's row, the
    engine's rows; another order can deadlock.
    """
    return User.objects.select_for_update(no_key=True).get(pk=user.pk)


def lock_owner(song: Song) -> None:
    """Lock the row of the song's listener, unless that account was deleted."""
    User.objects.select_for_update(no_key=True).filter(pk=song.owner_id).first()
