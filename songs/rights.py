"""The panel's pages of accounts: what an account may change of which other (see permissions.py)."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth import get_permission_codename
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from songs import closing, permissions
from songs.models import CreditEntry, User

RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")
OWN = ("username", "is_active")  # what an account may not change of itself


class AsksOfEach(admin.ModelAdmin):
    """What an account may do to an object is asked of this object (see permissions.py)."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, "view", obj) or self.may(request, "change", obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, "change", obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, "delete", obj)

    def may(self, request: HttpRequest, act: str, obj: Any) -> bool:
        permission = get_permission_codename(act, self.opts)
        return request.user.has_perm(f"{self.opts.app_label}.{permission}", obj)


class GroupAdmin(DjangoGroupAdmin):
    """A group is rights: no backend answers for one, so superusers alone make and change them."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("auth.add_group", Group())

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return request.user.has_perm("auth.change_group", obj or Group())

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return request.user.has_perm("auth.delete_group", obj or Group())


class AccountAdmin(AsksOfEach, DjangoUserAdmin):
    """Accounts: their rights are a superuser's to give, and what something names is not deleted."""

    actions = ["close_accounts"]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        """Rights are a superuser's to give. Others may not change the name that stands under their
        own acts, nor close their own account."""
        fields = [str(field) for field in super().get_readonly_fields(request, obj)]
        if obj is not None and not request.user.has_perm(permissions.RIGHTS, obj):
            fields += [*RIGHTS, *(OWN if obj == request.user else ())]
        return fields

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """With the way to an account's password for superusers alone."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or request.user.has_perm(permissions.PASSWORD, obj):
            return fieldsets
        return [
            (name, {**options, "fields": [f for f in options["fields"] if f != "password"]})
            for name, options in fieldsets
        ]

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:
        """One's own password is changed at /admin/password_change/, by the old one."""
        user = self.get_object(request, unquote(id))
        if not request.user.has_perm(permissions.PASSWORD, user):
            raise PermissionDenied
        return super().user_change_password(request, id, form_url)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Of a stored account what was changed alone: a superuser may change its rights meanwhile,
        and the old ones must not be written back."""
        if not change:
            obj.save()
            return
        columns = {field.name for field in obj._meta.concrete_fields}
        obj.save(update_fields=columns.intersection(form.changed_data))

    # --- closing and deleting ---

    @admin.action(description="Close selected accounts", permissions=["change"])
    def close_accounts(self, request: HttpRequest, users: QuerySet[User]) -> None:
        """Each in its own right: those that are not this account's to close are named."""
        closed, refused = 0, []
        for user in users.filter(is_active=True):
            if user == request.user or not self.has_change_permission(request, user):
                refused.append(str(user))
                continue
            with transaction.atomic():
                closing.close(user)
                self.log_change(request, user, "Closed the account.")
            closed += 1
        text = f"{closed} closed: what they did stays, and they cannot sign in any more."
        self.message_user(request, text, messages.SUCCESS if closed else messages.WARNING)
        if refused:
            text = f"Not yours to close: {', '.join(refused)}."
            self.message_user(request, text, messages.ERROR)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What something names is protected, in a sentence each."""
        shown, counts, lacking, protected = super().get_deleted_objects(objs, request)
        staying = [why for user in objs if (why := closing.why_it_stays(user))]
        if staying:
            lacking, protected = lacking - {CreditEntry._meta.verbose_name}, staying
        return shown, counts, lacking, protected
