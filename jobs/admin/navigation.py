"""The panel's navigation, as far as the account may go."""

from __future__ import annotations

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString


def item(request: HttpRequest, label: str, page: str, *permissions: str) -> SafeString:
    """A link to a page of the panel, marked there and below; empty for an account with none of the
    permissions."""
    if permissions and not any(request.user.has_perm(asked) for asked in permissions):
        return SafeString("")
    url = reverse(page)
    current = SafeString(' aria-current="page"') if is_at(request, page, url) else ""
    return format_html('<li><a href="{}"{}>{}</a></li>', url, current, label)


def is_at(request: HttpRequest, page: str, url: str) -> bool:
    """The request is at this page, or below it at one without an item of its own."""
    match = request.resolver_match
    if page == "admin:index" or match is None:
        return request.path == url
    own = match.view_name == page
    below = request.path.startswith(url) and match.view_name not in ITEMS
    return own or below


ITEMS = {"admin:jobs_run_failures"}  # pages whose address is below another item's
