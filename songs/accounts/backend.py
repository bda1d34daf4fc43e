"""The site's door for names and passwords: allauth's, with each password checked once, and with all
permissions of an account read at once.

Django reads what is given to the account and what its groups are given in two queries. A page of
the panel asks for permissions always, so an operator by group paid one query more on each page.
"""

from __future__ import annotations

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.contrib.auth.models import Permission
from django.db.models import Q
from django.http import HttpRequest


class AccountBackend(AuthenticationBackend):
    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> Any:
        """allauth is given an address as a name too, and looks for it as both: the password of its
        account would be checked twice, and the time would tell which addresses have accounts."""
        if credentials.get("email") == credentials.get("username"):
            credentials.pop("email", None)
        return super().authenticate(request, **credentials)

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """`app_label.codename` of each permission, kept on the account object."""
        if not user_obj.is_active or user_obj.is_anonymous or obj is not None:
            return set()
        if not hasattr(user_obj, "permissions_held"):
            user_obj.permissions_held = set(granted(user_obj))
        return set(user_obj.permissions_held)


def granted(user: Any) -> list[str]:
    held = Permission.objects.order_by()
    if not user.is_superuser:
        held = held.filter(Q(user=user) | Q(group__user=user))
    names = held.values_list("content_type__app_label", "codename").distinct()
    return [f"{app_label}.{codename}" for app_label, codename in names]
