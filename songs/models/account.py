"""Accounts, and which addresses were welcomed."""

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
            # For signing in and signing up, which look for an address.
            models.Index(fields=["email"], name="songs_user_email"),
        ]
        permissions = [("grant_credits", "Can grant and take back credits")]

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save a stored row without `credits`, which only `credits.py` changes, by UPDATE. A form
        that was opened before a charge would otherwise write the old balance back."""
        if not self._state.adding and not args and kwargs.get("update_fields") is None:
            columns = {field.name for field in self._meta.concrete_fields}
            kwargs["update_fields"] = columns - {"id", "credits"}
        super().save(*args, **kwargs)


class WelcomedAddress(models.Model):
    """A keyed hash of an e-mail address whose account got the welcome credits (welcome.py). It
    outlives the account."""

    digest = models.CharField(max_length=64, primary_key=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.digest
