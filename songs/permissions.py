"""Permissions for single objects of the product: `user.has_perm("songs.change_user", user)`.

Django's backend decides for models only. This one decides for the product's single objects:

1. An account needs the permission itself.
2. If the object is an account, it must not have rights of its own: only superusers act on staff and
   on any account with rights. Otherwise staff could take over a stronger account.
3. Superusers may do everything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.db.models import Model

from songs.models import User

VIEW, CHANGE, DELETE, GRANT = (
    f"songs.{name}" for name in ("view_user", "change_user", "delete_user", "grant_credits")
)
# No row in the table of permissions has these names, so no account can be given them: only
# superusers set rights (flags, groups and permissions) and the password of another account.
RIGHTS, PASSWORD = "songs.change_rights_of_user", "songs.change_password_of_user"


class SiteBackend(BaseBackend):
    """The backend. In AUTHENTICATION_BACKENDS it follows Django's ModelBackend."""

    def has_perm(self, user_obj: Any, perm: str, obj: Model | None = None) -> bool:
        if obj is None or obj._meta.app_label != "songs" or not user_obj.has_perm(perm):
            return False
        return not isinstance(obj, User) or RULES.get(perm, superusers_alone)(user_obj, obj)


def is_listener(user: User) -> bool:
    """Whether the account has no rights. A closed account's rights count too."""
    if user.is_staff or user.is_superuser:
        return False
    return not (user.user_permissions.exists() or user.groups.exists())


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
}
