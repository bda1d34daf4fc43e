"""Permissions for single objects of the product: `user.has_perm("songs.change_user", user)`.

Django's backend decides for models only. This one decides for the product's single objects:

1. An account needs the permission itself.
2. If the object is an account, it must not have rights of its own: only superusers act on staff and
   on any account with rights. Otherwise staff could take over a stronger account.
3. Superusers may do everything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.db.models import Model

from songs.models import User

VIEW, CHANGE, DELETE, GRANT = (
    f"songs.{name}" for name in ("view_user", "change_user", "delete_user", "grant_credits")
)
SEE_SONGS = ("songs.view_song", "songs.change_song")  # either of them
LISTEN, MAKE_AGAIN = "songs.listen_song", "songs.make_again_song"
SEE_PUBLISHED, TAKE_DOWN = "songs.view_publication", "songs.take_down_song"
SEE_LEDGER = "songs.view_creditentry"
# No row in the table of permissions has these names, so no account can be given them: only
# superusers set rights (flags, groups and permissions) and the password of another account.
RIGHTS, PASSWORD = "songs.change_rights_of_user", "songs.change_password_of_user"


class SiteBackend(BaseBackend):
    """The backend. In AUTHENTICATION_BACKENDS it follows allauth's, which is Django's too."""

    def has_perm(self, user_obj: Any, perm: str, obj: Model | None = None) -> bool:
        if obj is None or obj._meta.app_label != "songs" or not user_obj.has_perm(perm):
            return False
        return not isinstance(obj, User) or RULES.get(perm, superusers_alone)(user_obj, obj)


def may_see_songs(actor: Any) -> bool:
    return any(actor.has_perm(name) for name in SEE_SONGS)


def may_see_accounts(actor: Any) -> bool:
    return bool(actor.has_perm(VIEW) or actor.has_perm(CHANGE))


def is_listener(user: User) -> bool:
    """Whether the account has no rights. A closed account's rights count too."""
    if user.is_staff or user.is_superuser:
        return False
    has_none = User.objects.filter(pk=user.pk, groups=None, user_permissions=None)
    return has_none.exists()


def those_allowed(permission: str, actor: Any, accounts: Collection[int]) -> set[int]:
    """Those of these accounts on which this one may do what only listeners allow: one query for
    all, where `has_perm` makes two for each."""
    if not actor.has_perm(permission):
        return set()
    found = User.objects.filter(pk__in=accounts)
    if not actor.is_superuser:
        found = found.filter(is_staff=False, is_superuser=False, groups=None, user_permissions=None)
    return set(found.values_list("pk", flat=True))


def held_for(actor: Any, account: User, *permissions: str) -> set[str]:
    """Those of these permissions that the account has for a listener: one query for all of them."""
    held = {name for name in permissions if actor.has_perm(name)}
    may = bool(held) and (actor.is_superuser or is_listener(account))
    return held if may else set()


def anybody(actor: User, user: User) -> bool:
    return True


def listeners(actor: User, user: User) -> bool:
    return is_listener(user)


def listeners_and_oneself(actor: User, user: User) -> bool:
    return actor.pk == user.pk or is_listener(user)


def superusers_alone(actor: User, user: User) -> bool:
    return False


RULES: dict[str, Callable[[User, User], bool]] = {
    VIEW: anybody,
    CHANGE: listeners_and_oneself,
    DELETE: listeners,
    GRANT: listeners,
    MAKE_AGAIN: listeners,  # with the credit of this account
}
