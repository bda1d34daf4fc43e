"""Accounts in the panel, by the rules of permissions.py: their rights, their end."""

from __future__ import annotations

import contextlib
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from songs import closing, leaving, permissions, rights_in_words, search
from songs.accounts import addresses
from songs.admin.assignable import offer_assignable
from songs.admin.base import AsksOfEach, Searched
from songs.models import User

RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")
OWN = ("username", "is_active")  # fields of its own that an account may not change


class AccountAdmin(Searched, AsksOfEach, DjangoUserAdmin):
    """Only superusers give rights. To delete an account is to close it for good (leaving.py)."""

    actions = ["close_accounts"]
    ordering = ["-id"]
    sortable_by = ()
    list_filter = ["is_staff", "is_active", "groups"]
    search_fields = ["username", "email"]
    search_help_text = (
        "The beginning of a name, an e-mail address (with “@”) or its beginning, or an account's "
        "number; all accounts are searched."
    )

    def find(self, queryset: QuerySet[User], term: str) -> QuerySet[User]:
        return queryset.filter(search.listeners(term))

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """The address is refused as the site's own forms refuse it."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "email" and field is not None:
            addresses.limit(field)
        return field

    def formfield_for_manytomany(self, db_field: Any, request: Any = None, **kwargs: Any) -> Any:
        """Offer the permissions that mean something."""
        field = super().formfield_for_manytomany(db_field, request, **kwargs)
        return offer_assignable(field) if db_field.name == "user_permissions" else field

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        """Only superusers may set rights. Other accounts may not change their own username, which
        the history shows, nor close their own account."""
        fields = [str(field) for field in super().get_readonly_fields(request, obj)]
        if obj is not None and not request.user.has_perm(permissions.RIGHTS, obj):
            fields += [*RIGHTS, *(OWN if obj == request.user else ())]
        return fields

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Show the link to an account's password only to superusers."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or request.user.has_perm(permissions.PASSWORD, obj):
            return fieldsets
        return [
            (name, {**options, "fields": [f for f in options["fields"] if f != "password"]})
            for name, options in fieldsets
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Django's form makes accounts only for those that may change them, too."""
        return super().has_add_permission(request) and self.has_change_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """An account that may see the list may open each entry; to change it is another right."""
        return permissions.may_see_accounts(request.user)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:
        """For superusers. Staff change their own password at /admin/password_change/."""
        user = self.get_object(request, unquote(id))
        if not request.user.has_perm(permissions.PASSWORD, user):
            raise PermissionDenied
        return super().user_change_password(request, id, form_url)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Save only the changed fields of a stored account. A superuser may have changed its rights
        since the form was opened; saving all fields would restore the old ones. A changed address
        takes the place of the listener's, and is not confirmed."""
        if not change:
            obj.save()
            return
        columns = {field.name for field in obj._meta.concrete_fields}
        obj.save(update_fields=columns.intersection(form.changed_data))
        if "email" in form.changed_data:
            addresses.replace(obj, obj.email)

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """Django names the fields; of rights the audit log has which were given and taken."""
        told = "" if add else rights_in_words.sentence(form)
        return told or super().construct_change_message(request, form, formsets, add)

    # --- closing and deleting ---

    @admin.action(description="Close selected accounts", permissions=["change"])
    def close_accounts(self, request: HttpRequest, users: QuerySet[User]) -> None:
        """Close those accounts that this account may close, and name the others."""
        closed, refused = 0, []
        for user in users.filter(is_active=True):
            if user == request.user or not self.has_change_permission(request, user):
                refused.append(str(user))
                continue
            with transaction.atomic():
                closing.close(user)
                self.log_change(request, user, "Closed the account.")
            closed += 1
        text = f"{closed} closed. They cannot sign in, and the record of their acts stays."
        self.message_user(request, text, messages.SUCCESS if closed else messages.WARNING)
        if refused:
            text = f"Your account may not close: {', '.join(refused)}."
            self.message_user(request, text, messages.ERROR)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Say of each account what goes and what stays, or why it cannot be closed."""
        shown, refused = [], []
        for user in objs:
            try:
                self.refuse_deletion(request, user)
                shown.append(what_goes(user))
            except ValueError as refusal:
                refused.append(str(refusal))
        return shown, {"accounts": len(shown)}, set(), refused

    def refuse_deletion(self, request: HttpRequest, user: User) -> None:
        """Raise ValueError for an account that this one cannot close for good."""
        if user == request.user:
            raise ValueError(
                f"{user} is your own account. Close it on the site: “Close my account”."
            )
        if not self.has_delete_permission(request, user):
            raise ValueError(f"Your account may not close the account of {user}.")
        leaving.refuse_last_superuser(user)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Written by `close_for_good`, with what went and without a name."""

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: Any) -> HttpResponse:
        text = f"The account of {obj_display} is closed for good."
        self.message_user(request, text, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:songs_user_changelist"))

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        close_for_good(obj, by=cast(User, request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset:
            with contextlib.suppress(User.DoesNotExist):  # another operator was faster
                close_for_good(user, by=cast(User, request.user))


def what_goes(user: User) -> SafeString:
    had = leaving.Belongings.of(user)
    making = f", {had.in_the_making:,} in the making" if had.in_the_making else ""
    stays = "The name stays in the history of acts" if had.is_kept else "The name goes too"
    songs, left = counted(had.songs, "song"), counted(had.credits, "credit")
    return format_html(
        "<bdi>{}</bdi>: {} with audio, cover and words{}, {}. {}; the ledger stays, nameless.",
        *(user.get_username(), songs, making, left, stays),
    )


def counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


@transaction.atomic
def close_for_good(user: User, *, by: User) -> None:
    """Close the account, with a line in the history."""
    had = leaving.close_account(user, by=by)
    LogEntry.objects.create(
        user=by,
        content_type=ContentType.objects.get_for_model(User),
        object_id=str(user.pk),
        object_repr=str(user) if had.is_kept else f"account {user.pk}",
        action_flag=CHANGE if had.is_kept else DELETION,
        change_message=(
            f"Closed the account for good, with {counted(had.songs, 'song')} and "
            f"{counted(had.credits, 'credit')}."
        ),
    )
