"""Close accounts that the history names, and refuse to delete them.

An account that has acted, as an operator or in the ledger of another account, cannot be deleted
in the panel, nor with `delete()` of the account or of a queryset: history and ledger would lose
the name of their actor.
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
    """Why the panel refuses to delete the account; empty if it may."""
    if has_acted(user):
        return f"{user} has acted: the history and the ledger name this account. Close it instead."
    if user.credit_entries.exists():
        return f"{user} has a ledger, and the ledger is kept for ever. Close the account instead."
    return ""


def refuse_deletion(sender: type[User], instance: User, **kwargs: Any) -> None:
    """Receive `pre_delete` for an account. The error makes Django roll back the whole deletion."""
    if has_acted(instance):
        raise ProtectedError(why_it_stays(instance), {instance})
