"""The panel's admin site: Operations first, lists that say which filter or act they do not know,
and refusals on a page that names the missing permission.

A project installs `jobs.apps.PanelConfig` in place of `django.contrib.admin`, which has all pages
but Operations. Apps' `admin` modules are imported with the URLs: a cluster has no use for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from django.apps import AppConfig
from django.contrib.admin import AdminSite, ModelAdmin, autodiscover
from django.core.checks import CheckMessage
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path
from django.views.decorators.http import require_POST

View = Callable[..., HttpResponse]


class PanelSite(AdminSite):
    index_template = "admin/tables.html"
    enable_nav_sidebar = False  # for the panel's navigation

    def index(self, request: HttpRequest, extra_context: Any = None) -> TemplateResponse:
        from jobs.admin import operations  # registers pages, for which this site must exist

        return operations.page(request, self.each_context(request) | (extra_context or {}))

    def tables(self, request: HttpRequest) -> HttpResponse:
        """Django's first page."""
        return super().index(request, {"title": "All tables"})

    def hand_over(self, request: HttpRequest) -> HttpResponse:
        from jobs.admin import hand_over

        return hand_over.page(request, self.each_context(request))

    def hand_over_text(self, request: HttpRequest) -> HttpResponse:
        from jobs.admin import hand_over

        return hand_over.as_text(request)

    def hand_over_note(self, request: HttpRequest) -> HttpResponse:
        from jobs.admin import hand_over

        return hand_over.write_note(request, self.each_context(request))

    def check(self, app_configs: Sequence[AppConfig] | None) -> list[CheckMessage]:
        autodiscover()
        return super().check(app_configs)

    def get_urls(self) -> list[URLPattern | URLResolver]:
        autodiscover()
        view = self.admin_view
        return [
            path("tables/", view(self.tables), name="tables"),
            path("hand-over/", view(self.hand_over), name="hand_over"),
            path("hand-over/text/", view(self.hand_over_text), name="hand_over_text"),
            path("hand-over/note/", view(require_POST(self.hand_over_note)), name="hand_over_note"),
            *super().get_urls(),
        ]

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        return super().admin_view(self._refusing(_saying_what_is_unknown(view)), cacheable)

    def _refusing(self, view: View) -> View:
        """With refusals and missing objects on a page of the panel."""

        @wraps(view)
        def refusing(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            request.GET = without_nul(request.GET)  # type: ignore[assignment]
            try:
                if "\x00" in request.path:
                    raise Http404
                return view(request, *args, **kwargs)
            except PermissionDenied as refusal:
                return self._refused(request, refusal)
            except Http404 as absence:
                return self._said(request, "There is no such page", absence_in_words(absence), 404)

        return refusing

    def _refused(self, request: HttpRequest, refusal: PermissionDenied) -> HttpResponse:
        from jobs.admin import (
            missing_permissions,
        )

        sentence = missing_permissions.sentence(request)
        return self._said(request, "You may not do this", sentence, 403)

    def _said(self, request: HttpRequest, title: str, text: str, status: int) -> HttpResponse:
        context = {**self.each_context(request), "title": title, "text": text}
        page = TemplateResponse(request, "admin/refused.html", context, status=status)
        return page.render()


def _saying_what_is_unknown(view: View) -> View:
    """For the lists of all apps."""
    model_admin = getattr(view, "__self__", None)
    if not isinstance(model_admin, ModelAdmin) or view.__name__ != "changelist_view":
        return view

    @wraps(view)
    def saying(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        from jobs.admin import unknown_actions, unknown_filters

        refusal = unknown_actions.answer(model_admin, request)
        return refusal or unknown_filters.answer(
            model_admin, request, view(request, *args, **kwargs)
        )

    return saying


def without_nul(query: QueryDict) -> QueryDict:
    """No text of the database has NUL."""
    if "%00" not in query.urlencode():
        return query
    clean = QueryDict(mutable=True)
    for name, values in query.lists():
        clean.setlist(name.replace("\x00", ""), [value.replace("\x00", "") for value in values])
    return clean


def absence_in_words(absence: Http404) -> str:
    said = str(absence)
    return said if said.endswith(".") else "The address leads to nothing that is here now."
