"""Accounts that something names are closed, not deleted, so that the history keeps its names.

An account that has acted, as an operator or in the ledger of another, cannot be deleted by any
means that Django has: not in the panel, and not by `delete()` of one account or of a queryset.
"""

from __future__ import annotations

from typing import Any

from django.contrib.admin.models import LogEntry
from django.db.models import ProtectedError

from songs.models import User


def close(user: User) -> None:
    """The account cannot sign in any more, and its sessions end with their next request."""
    User.objects.filter(pk=user.pk).update(is_active=False)


def has_acted(user: User) -> bool:
    return LogEntry.objects.filter(user=user).exists() or user.entries_made.exists()


def why_it_stays(user: User) -> str:
    """Why the panel does not delete this account; empty if it does."""
    if has_acted(user):
        return f"{user} has acted: the history and the ledger name this account. Close it instead."
    if user.credit_entries.exists():
        return f"{user} has a ledger, and the ledger is kept for ever. Close the account instead."
    return ""


def refuse_deletion(sender: type[User], instance: User, **kwargs: Any) -> None:
    """Before any deletion of an account (`pre_delete`); Django undoes the whole of it."""
    if has_acted(instance):
        raise ProtectedError(why_it_stays(instance), {instance})
