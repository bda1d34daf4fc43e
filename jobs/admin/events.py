"""Events: the list, a page for each, and the form that sends."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from jobs.admin import event_list, event_page, sending
from jobs.admin.base import ReadOnlyAdmin
from jobs.models import Event


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return event_list.page(self, request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return event_page.page(self, request, object_id)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        again = view(sending.again_view(self))
        return [
            path("send/", view(sending.send_view(self)), name="jobs_event_send"),
            path("<uuid:event_id>/again/", again, name="jobs_event_again"),
            *super().get_urls(),
        ]
