"""Base of the panel's pages: they only read, at a cost independent of history."""

from __future__ import annotations

import uuid
from functools import cached_property
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_permission_codename
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.text import capfirst

MAX_COUNTED = 10_000


class CappedPaginator(Paginator):
    """Counts up to 10,000 rows; filters reach the others."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[:MAX_COUNTED].count())


def counted(changelist: ChangeList) -> str:
    """“67 runs”, or that counting stopped."""
    number, opts = changelist.result_count, changelist.opts
    if number >= MAX_COUNTED:
        return f"{MAX_COUNTED:,} or more {opts.verbose_name_plural}; filter to reach the others"
    return f"{number:,} {opts.verbose_name if number == 1 else opts.verbose_name_plural}"


class ReadOnlyAdmin(admin.ModelAdmin):
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 200
    sortable_by = ()

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        view = get_permission_codename("view", self.opts)
        return request.user.has_perm(f"{self.opts.app_label}.{view}", obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        title = capfirst(self.opts.verbose_name_plural)
        return super().changelist_view(request, {"title": title} | (extra_context or {}))


def redirect_missing(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """The panel's first page, with the sentence that there is no such row."""
    name, key = model_admin.opts.verbose_name, unquote(object_id)
    what = f"{name} with ID “{key}” doesn’t exist. Perhaps it was deleted?"
    model_admin.message_user(request, what, messages.WARNING)
    return HttpResponseRedirect(reverse("admin:index", current_app=model_admin.admin_site.name))


def as_uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text.strip())
    except ValueError:
        return None
