"""Every address of the site."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.urls import include, path
from django.views.decorators.http import require_safe

from melodymaker import health


@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """The icon of pages that name none, such as the admin's."""
    return redirect(static("site/logo.svg"))


handler400 = "songs.answers.not_understood"
handler404 = "songs.gone.not_found"
handler429 = "songs.accounts.refusals.too_often"  # allauth asks for it
urlpatterns = [
    path("admin/", admin.site.urls),
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
    path("favicon.ico", favicon),
    path("", include("songs.urls")),
]
