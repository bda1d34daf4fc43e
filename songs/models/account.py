"""Accounts, and failed attempts to sign in."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class User(AbstractUser):
    """An account of a listener or an operator. `credits` is the sum of its ledger (credits.py)."""

    credits = models.IntegerField(default=0, editable=False)

    class Meta(AbstractUser.Meta):
        constraints = [
            models.CheckConstraint(
                condition=Q(credits__gte=0), name="songs_user_credits_not_negative"
            )
        ]
        indexes = [
            # For the panel's lists: balances in order, and staff among many listeners.
            models.Index(fields=["-credits", "-id"], name="songs_user_balance"),
            models.Index(fields=["-id"], name="songs_user_staff", condition=Q(is_staff=True)),
        ]
        permissions = [("grant_credits", "Can grant and take back credits")]

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save a stored row without `credits`, which only `credits.py` changes, by UPDATE. A form
        that was opened before a charge would otherwise write the old balance back."""
        if not self._state.adding and not args and kwargs.get("update_fields") is None:
            columns = {field.name for field in self._meta.concrete_fields}
            kwargs["update_fields"] = columns - {"id", "credits"}
        super().save(*args, **kwargs)


class SignInFailure(models.Model):
    """A wrong password. After too many for one name from one address, sign-in pauses."""

    username = models.CharField(max_length=150)
    address = models.CharField(max_length=64)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(fields=["username", "address", "at"], name="songs_signinfailure_who"),
            models.Index(fields=["at"], name="songs_signinfailure_at"),
        ]

    def __str__(self) -> str:
        return f"{self.username} from {self.address}"
