"""The permissions that mean something, of the many that Django makes for each table.

Those with names of their own, to see what the panel shows, and to change what a form can change
(docs/rights.md has the list).
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db.models import Q, QuerySet

APPS = ("jobs", "songs")
BY_FORM = (
    *("add_user", "change_user", "delete_user", "change_song", "delete_song"),
    *("change_category", "delete_category", "add_handovernote", "change_limit"),
)
OTHERS = ("view_group", "view_logentry")
DEFAULT = r"^(add|change|delete|view)_"


def offer_assignable(field: Any) -> Any:
    """The form field of permissions, with those alone that mean something."""
    if field is not None:
        field.queryset = assignable(field.queryset)
    return field


def assignable(permissions: QuerySet[Permission]) -> QuerySet[Permission]:
    """Those of the permissions that an account or a group can make use of."""
    ours = Q(content_type__app_label__in=APPS)
    shown = [
        f"view_{model._meta.model_name}"
        for model in apps.get_models()
        if admin.site.is_registered(model)
    ]
    return permissions.filter(
        (ours & ~Q(codename__regex=DEFAULT))
        | (ours & Q(codename__in=[*shown, *BY_FORM, "view_payload"]))
        | Q(codename__in=OTHERS, content_type__app_label__in=("auth", "admin"))
    )
