"""The only code that writes the ledger.

`User.credits` always equals the sum of the account's entries: one transaction changes both, under
the lock of the account's row.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction
from django.db.models import Case, Count, Exists, F, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Coalesce, Now

from jobs.api import excerpt
from songs.history import names_of
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
            f"You granted {in_words(entry.amount)} for this reason in the last ten minutes. "
            "Tick the box to grant the same once more."
        )


class RefundedBefore(ValueError):
    """The credit for this song has been given back."""

    def __init__(self, entry: CreditEntry) -> None:
        by = f" by {entry.by.get_username()}" if entry.by else ""
        super().__init__(
            f"A credit for this song was given back on {entry.at:%Y-%m-%d at %H:%M} UTC{by}. "
            "Tick the box to give back one more."
        )


@dataclass(frozen=True)
class Balance:
    """A listener's credits, and how many of them songs in the making will cost."""

    credits: int
    spoken_for: int
    awaits_welcome: bool = False  # welcome credits, for an address that is to be confirmed

    @property
    def available(self) -> int:
        return max(self.credits - self.spoken_for, 0)

    @property
    def refusal(self) -> str:
        """Why the listener cannot order a song now; empty if that is possible."""
        if self.available:
            return ""
        if self.awaits_welcome and not self.credits:
            waiting = in_words(settings.STARTING_CREDITS).lstrip("+")
            return f"You have no credits yet: confirm your e-mail address to get {waiting}."
        if not self.credits:
            return "You have no credits left. Ask the operators of this site for more."
        if self.credits == 1:
            return "Your last credit is spoken for by a song in the making. Wait until it is ready."
        return (
            f"All {self.credits} of your credits are spoken for by songs in the making. "
            "Wait until one of these songs is ready."
        )

    def refusal_of(self, takes: int) -> str:
        """Why so many songs cannot be ordered at once; empty if that is possible."""
        if self.refusal or self.available >= takes:
            return self.refusal
        return (
            f"{takes} takes cost {takes} credits, and you have {self.available} free. "
            "Order one take, or wait until more are free."
        )


def in_words(amount: int) -> str:
    """“+5 credits”, “+1 credit”, “−2 credits”."""
    sign = "+" if amount > 0 else "−" if amount < 0 else ""
    return f"{sign}{abs(amount):,} credit{'' if abs(amount) == 1 else 's'}"


def balance(user: User) -> Balance:
    making = Song.objects.in_the_making().filter(owner=OuterRef("pk")).order_by().values("owner")
    counted = Coalesce(Subquery(making.annotate(count=Count("pk")).values("count")), 0)
    welcomed = CreditEntry.objects.filter(user=OuterRef("pk"), kind=EntryKind.WELCOME)
    unconfirmed = EmailAddress.objects.filter(user=OuterRef("pk"), verified=False)
    awaits = Q(Exists(unconfirmed), ~Exists(welcomed)) if settings.STARTING_CREDITS else Q(pk=None)
    awaits_welcome = Case(When(awaits, credits=0, then=True), default=False)
    return Balance(*User.objects.values_list("credits", counted, awaits_welcome).get(pk=user.pk))


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
    song: Song | None = None,
    payment: str = "",
) -> CreditEntry:
    """Grant credits; a negative amount takes them back. `song` is what they are granted for.

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
        user=user,
        amount=amount,
        balance=credits + amount,
        kind=kind,
        why=excerpt(why, WHY_LIMIT),
        by=by,
        song=song,
        payment=payment,
    )


@transaction.atomic
def purchase(user: User, amount: int, *, payment: str, why: str = "") -> CreditEntry:
    """Book credits that the listener has bought. `payment` is the payment's id at its provider.

    A payment is booked once: a provider tells of it more than once, and each further call returns
    the entry of the first. Raises ValueError if the payment has no id, buys less than one credit,
    or was booked for another account or amount.
    """
    if not payment or amount < 1:
        raise ValueError(
            f"payment={payment!r} for {amount:,} credits cannot be booked: a purchase needs the "
            "payment's id and at least one credit."
        )
    lock(user)
    earlier = CreditEntry.objects.filter(payment=payment).first()
    if earlier is None:
        return grant(user, amount, why=why, kind=EntryKind.PURCHASE, payment=payment)
    if (earlier.user_id, earlier.amount) != (user.pk, amount):
        raise ValueError(
            f"Payment {payment} is booked already, for account {earlier.user_id} and "
            f"{in_words(earlier.amount)}; it cannot be booked for account {user.pk} and "
            f"{in_words(amount)}."
        )
    return earlier


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


@transaction.atomic
def refund(song: Song, *, why: str, by: User | None, once_more: bool = False) -> CreditEntry:
    """Give the listener one credit for a song, whether the song was charged or did not come.

    Raises RefundedBefore for a second time, unless `once_more`, and ValueError if the balance
    would become too large.
    """
    lock_owner(song)
    earlier = song.credit_entries.filter(kind=EntryKind.REFUND).select_related("by").first()
    if earlier and not once_more:
        raise RefundedBefore(earlier)
    return grant(song.owner, 1, why=why, by=by, kind=EntryKind.REFUND, song=song)


def welcome(user: User) -> CreditEntry | None:
    """Grant the welcome credits; None if the site gives none."""
    if not settings.STARTING_CREDITS:
        return None
    amount = settings.STARTING_CREDITS
    return grant(user, amount, why="Welcome to MelodyMaker", kind=EntryKind.WELCOME)


def close(user: User, *, by: User | None, is_kept: bool) -> None:
    """Close the ledger of an account that leaves, in the transaction of that.

    1. The rest of the balance is taken back, by an entry: the account's entries sum to zero.
    2. The entries stay, without words: titles of songs, and reasons that name the listener.
    3. Unless the account is kept, the entries have a number of their own in its place.
    """
    rest = lock(user).credits
    if rest:
        grant(user, -rest, why="", by=by, kind=EntryKind.CLOSED)
    entries = CreditEntry.objects.filter(user=user)
    entries.filter(pk__in=those_that_name(user, entries)).update(why="")
    if not is_kept:
        entries.update(user=None, former=uuid.uuid4())


def forget_title(song: Song) -> None:
    """Take the words of a song that is deleted out of its entries."""
    song.credit_entries.update(why="")


def those_that_name(user: User, entries: QuerySet[CreditEntry]) -> list[int]:
    told = entries.exclude(why="").values_list("pk", "kind", "why")
    names = names_of(user)
    return [pk for pk, kind, why in told if kind in CHARGES or names.are_in(why)]


@transaction.atomic(savepoint=False)  # a step already has a transaction
def charge(song: Song) -> CreditEntry:
    """Charge one credit for a song, in the transaction in which the song becomes playable.

    1. A wish is charged once: a second call, or another song of the same wish, returns the entry
       of the first. Otherwise a retried step or a second try would charge again.
    2. If the balance is zero by now, the entry is `waived` and moves nothing. The song is made,
       and the listener could not prevent it.
    """
    owner = lock_owner(song)
    earlier = charge_of(song)
    if earlier:
        return earlier
    payers = User.objects.filter(pk=song.owner_id, credits__gte=1)
    paid = payers.update(credits=F("credits") - 1)
    return CreditEntry.objects.create(
        user_id=song.owner_id,
        amount=-paid,
        balance=owner.credits - paid if owner else None,
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


def lock_owner(song: Song) -> User | None:
    """Lock the row of the song's listener, and return it as it is now; None if that account was
    deleted."""
    return User.objects.select_for_update(no_key=True).filter(pk=song.owner_id).first()
