"""Accounts that are shut out, and those that `delete()` refuses to delete.

1. An operator may close an account and open it again: it cannot sign in meanwhile. To close it for
   good is leaving.py.
2. `delete()` of an account or a queryset is refused where it would tear something apart: the
   history and the ledger would lose the name of their actor; files and words of songs would stay
   for ever; the ledger would lose entries.
"""

from __future__ import annotations

from typing import Any

from django.contrib.admin.models import LogEntry
from django.db.models import ProtectedError

from songs.models import User


def close(user: User) -> None:
    """Close the account: it cannot sign in, and its sessions end with their next request."""
    User.objects.filter(pk=user.pk).update(is_active=False)


def has_acted(user: User) -> bool:
    return LogEntry.objects.filter(user=user).exists() or user.entries_made.exists()


def why_it_stays(user: User) -> str:
    """Why `delete()` refuses to delete the account; empty if it may."""
    if has_acted(user):
        return f"{user} has acted: the history and the ledger name this account. Close it instead."
    if user.credit_entries.exists() or user.songs.exists():
        return (
            f"{user} has songs or a ledger. Use songs.leaving.close_account, which removes files "
            "and words and keeps the ledger."
        )
    return ""


def refuse_deletion(sender: type[User], instance: User, **kwargs: Any) -> None:
    """Receive `pre_delete` for an account. The error makes Django roll back the whole deletion."""
    if why := why_it_stays(instance):
        raise ProtectedError(why, {instance})
