"""The ledger of credits, and what is known of it as a whole."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from songs.models.account import User
from songs.models.song import Song


class EntryKind(models.TextChoices):
    WELCOME = "welcome", "Welcome credits"
    GRANT = "grant", "Granted by an operator"
    CHARGE = "charge", "Song"
    WAIVED = "waived", "Song, waived: the balance was empty"
    REFUND = "refund", "Refund"
    PURCHASE = "purchase", "Bought"
    CLOSED = "closed", "Account closed: the rest was taken back"


CHARGES = [EntryKind.CHARGE, EntryKind.WAIVED]


class CreditEntry(models.Model):
    """One entry of the ledger. Only `credits.py` writes it; it is never deleted. When its listener
    leaves, it loses account and words, and keeps its figures."""

    user = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="credit_entries"
    )
    # In place of an account that has left: the same for all entries of that account.
    former = models.UUIDField(null=True, blank=True, editable=False)
    amount = models.IntegerField()
    # The account's balance after this entry. Null in entries of a version that did not keep it.
    balance = models.IntegerField(null=True, blank=True)
    kind = models.CharField(max_length=16, choices=EntryKind.choices)
    why = models.CharField("reason", max_length=300, blank=True, default="")
    song = models.ForeignKey(
        Song, on_delete=models.SET_NULL, null=True, blank=True, related_name="credit_entries"
    )
    # The wish that was charged (Song.wish). It is kept when the song is deleted.
    wish = models.UUIDField(null=True, blank=True, editable=False)
    # The payment's id at its provider. A payment is booked once.
    payment = models.CharField(
        max_length=200, blank=True, default="", db_default="", editable=False
    )
    # The operator. Such an account is closed, not deleted (see closing.py).
    by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="entries_made"
    )
    at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "credit entries"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["user", "-id"], name="songs_creditentry_ledger"),
            # For the panel: the entries of a span, those of a kind, those of a song.
            models.Index(fields=["at"], include=["kind", "amount"], name="songs_creditentry_span"),
            models.Index(fields=["kind", "-id"], name="songs_creditentry_kind"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["song"],
                name="songs_creditentry_one_charge_a_song",
                condition=Q(kind__in=CHARGES),
            ),
            models.UniqueConstraint(
                fields=["wish"],
                name="songs_creditentry_one_charge_a_wish",
                condition=Q(kind__in=CHARGES),
            ),
            models.UniqueConstraint(
                fields=["payment"],
                name="songs_creditentry_one_a_payment",
                condition=~Q(payment=""),
            ),
            models.CheckConstraint(
                condition=~Q(kind=EntryKind.WAIVED) | Q(amount=0),
                name="songs_creditentry_waived_is_nothing",
            ),
            models.CheckConstraint(
                condition=Q(user__isnull=False) | Q(former__isnull=False),
                name="songs_creditentry_has_an_account",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount:+d} {self.get_kind_display()}"


class CreditBalance(User):
    """An account as the panel's page of balances shows it."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = "credit balance"


class LedgerCheck(models.Model):
    """What one look at the whole ledger found: whether all entries sum to all balances."""

    checked_at = models.DateTimeField(db_default=Now())
    entries = models.BigIntegerField()
    booked = models.BigIntegerField()  # the sum of all entries, in credits
    outstanding = models.BigIntegerField()  # the sum of all balances, in credits
    holders = models.BigIntegerField()  # accounts with a balance above zero
    wrong = models.BigIntegerField()  # accounts whose balance is not the sum of their entries …
    examples = ArrayField(models.BigIntegerField(), default=list)  # … and the ids of some of them

    class Meta:
        default_permissions = ()
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.booked:,} booked, {self.outstanding:,} outstanding"

    @property
    def is_right(self) -> bool:
        return self.booked == self.outstanding and not self.wrong


class LedgerHour(models.Model):
    """The entries of one kind in one hour: how many, and their sum (see ledger_check.py)."""

    hour = models.DateTimeField()
    kind = models.CharField(max_length=16, choices=EntryKind.choices)
    entries = models.BigIntegerField()
    amount = models.BigIntegerField()  # credits

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["hour", "kind"], name="songs_ledgerhour_one_a_kind")
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:%M} {self.kind}: {self.amount:+,}"
