"""Groups, which are rights: only superusers make and change them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest

from songs.admin.assignable import offer_assignable

admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin):
    """No backend decides for a group, so that only superusers may."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("auth.add_group", Group())

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return request.user.has_perm("auth.change_group", obj or Group())

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return request.user.has_perm("auth.delete_group", obj or Group())

    def formfield_for_manytomany(self, db_field: Any, request: Any = None, **kwargs: Any) -> Any:
        """Offer the permissions that mean something."""
        field = super().formfield_for_manytomany(db_field, request, **kwargs)
        return offer_assignable(field) if db_field.name == "permissions" else field
