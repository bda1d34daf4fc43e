"""A form whose page is out of date: its CSRF token is another one, since the listener signed in or
out in another tab. A wish is shown again as it was typed, and nothing is ordered.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views import csrf

from songs import drafts, views
from songs.forms import SongForm

OUT_OF_DATE = (
    "This page was out of date, so nothing was sent. Everything that you typed is here: send it "
    "once more."
)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The setting CSRF_FAILURE_VIEW: a wish from a page of this site is shown again."""
    if request.path != reverse("songs") or not came_from_here(request):
        in_panel = request.path.startswith(reverse("admin:index"))
        template = "admin/403_csrf.html" if in_panel else "403_csrf.html"
        return csrf.csrf_failure(request, reason, template_name=template)
    if not request.user.is_authenticated:
        return drafts.ask_to_sign_in(request)
    form = SongForm(request.POST)
    form.full_clean()
    form.add_error(None, OUT_OF_DATE)
    return views.form_page(request, form, status=403)  # type: ignore[arg-type]


def came_from_here(request: HttpRequest) -> bool:
    """Whether a page of this site sent the form. Each browser of today says so for a POST; only
    programs say nothing, and they carry no other site's words."""
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    own = f"{request.scheme}://{request.get_host()}"
    return site == "same-origin" and request.headers.get("Origin", own) == own
