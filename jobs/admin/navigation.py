"""The panel's navigation and breadcrumbs, as far as the account may go."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst


def item(request: HttpRequest, label: str, page: str, *permissions: str) -> SafeString:
    """A link to a page of the panel, marked there and below; empty for an account that may not open
    the list, or has none of the permissions."""
    if not may_open(request, page, *permissions):
        return SafeString("")
    url = reverse(page)
    current = SafeString(' aria-current="page"') if is_at(request, page, url) else ""
    return format_html('<li><a href="{}"{}>{}</a></li>', url, current, label)


def may_open(request: HttpRequest, page: str, *permissions: str) -> bool:
    """A list is asked itself. Another page needs one of the permissions, if any are given."""
    for model in filter(admin.site.is_registered, apps.get_models()):
        if page == f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist":
            return bool(admin.site.get_model_admin(model).has_view_permission(request))
    return not permissions or any(request.user.has_perm(asked) for asked in permissions)


def list_crumb(request: HttpRequest, opts: Any) -> SafeString:
    """A model's list, by its name; a link if the account may open it."""
    page = f"admin:{opts.app_label}_{opts.model_name}_changelist"
    words = capfirst(str(opts.verbose_name_plural))
    if not may_open(request, page):
        return format_html("{}", words)
    return format_html('<a href="{}">{}</a>', reverse(page), words)


def object_url(request: HttpRequest, found: Any) -> str:
    """An object's page; empty if the account may not open it."""
    model = type(found)
    if not admin.site.is_registered(model):
        return ""
    if not admin.site.get_model_admin(model).has_view_permission(request, found):
        return ""
    name = f"admin:{found._meta.app_label}_{found._meta.model_name}_change"
    return reverse(name, args=[quote(found.pk)])


def is_at(request: HttpRequest, page: str, url: str) -> bool:
    """The request is at this page, or below it at one without an item of its own."""
    match = request.resolver_match
    if page == "admin:index" or match is None:
        return request.path == url
    own = match.view_name == page
    below = request.path.startswith(url) and match.view_name not in ITEMS
    return own or below


ITEMS = {"admin:jobs_run_failures"}  # pages whose address is below another item's
