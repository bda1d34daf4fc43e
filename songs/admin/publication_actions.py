"""What an operator does about a published song: take it down, put it back, dismiss its reports.

Each is a page that says what will happen, and a form. A form that is sent twice acts once: the
song's state decides. There is no page for what the state does not allow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from songs import permissions
from songs.models import Publication, User
from songs.sharing import publishing
from songs.sharing.forms import DismissForm, TakeDownForm

View = Callable[..., HttpResponse]
Act = Callable[[HttpRequest, Publication, Any], str]  # returns what was done; empty: nothing was
ABSENT = "There is no published song {}. Its listener may have deleted it."
IDLE = {  # what is said where there is nothing to do
    "take_down": "This song is taken down already.",
    "put_back": "This song is not taken down.",
    "dismiss": "No report of this song is open.",
}


def take_down_view(model_admin: Any) -> View:
    def act(request: HttpRequest, row: Publication, form: Any) -> str:
        why = form.cleaned_data["why"]
        is_done = publishing.take_down(row, why=why, by=cast(User, request.user))
        return f"Took it down: {why}" if is_done else ""

    return _view(model_admin, TakeDownForm, act, "take_down", "Take down")


def put_back_view(model_admin: Any) -> View:
    def act(request: HttpRequest, row: Publication, form: Any) -> str:
        return "Put it back." if publishing.put_back(row) else ""

    return _view(model_admin, forms.Form, act, "put_back", "Put back")


def dismiss_view(model_admin: Any) -> View:
    def act(request: HttpRequest, row: Publication, form: Any) -> str:
        number = publishing.dismiss_reports(row, form.cleaned_data["seen"])
        return f"Dismissed {number} report{'' if number == 1 else 's'}." if number else ""

    return _view(model_admin, DismissForm, act, "dismiss", "Dismiss the reports")


def _view(model_admin: Any, form_class: Any, act: Act, name: str, title: str) -> View:
    """GET says what will happen; POST does it and writes a line of the audit log, in one
    transaction."""

    def view(request: HttpRequest, pk: UUID) -> HttpResponse:
        row = _asked(request, pk)
        form = form_class(request.POST if request.method == "POST" else None)
        if _is_idle(name, row):
            model_admin.message_user(request, IDLE[name], messages.INFO)
            return HttpResponseRedirect(_page_of(request, row))
        if form.is_bound and form.is_valid():
            try:
                done = _do(model_admin, request, row, form, act)
            except Publication.DoesNotExist:
                raise Http404(ABSENT.format(pk)) from None
            except publishing.NewReports as refusal:
                form.add_error(None, str(refusal))
            else:
                level = messages.SUCCESS if done else messages.INFO
                model_admin.message_user(request, done or IDLE[name], level)
                return HttpResponseRedirect(_page_of(request, row))
        return _page(model_admin, request, row, form, name, title)

    return require_http_methods(["GET", "HEAD", "POST"])(view)


def _is_idle(name: str, row: Publication) -> bool:
    if name == "dismiss":
        return not row.reports.filter(dealt_at=None).exists()
    return row.is_taken_down == (name == "take_down")


def _do(model_admin: Any, request: HttpRequest, row: Publication, form: Any, act: Act) -> str:
    with transaction.atomic():
        done = act(request, row, form)
        if done:
            model_admin.log_change(request, row, done)
    return done


def _asked(request: HttpRequest, pk: UUID) -> Publication:
    """The published song, if this account may take songs down, or PermissionDenied."""
    if not request.user.has_perm(permissions.TAKE_DOWN):
        raise PermissionDenied
    row = Publication.objects.select_related("song__owner").filter(pk=pk).first()
    if row is None:
        raise Http404(ABSENT.format(pk))
    return row


def _page(
    model_admin: Any, request: HttpRequest, row: Publication, form: Any, name: str, title: str
) -> TemplateResponse:
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "subtitle": row.title,
        "opts": model_admin.opts,
        "media": model_admin.media,
        "publication": row,
        "song": row,  # whose title stands in the breadcrumbs
        "form": form,
        "reports": row.reports.filter(dealt_at=None).count(),
        "newest": publishing.newest_report(row) if name == "dismiss" else None,
        "back": _page_of(request, row),
    }
    status = 422 if form.is_bound else 200
    template = f"admin/songs/publication/{name}.html"
    return TemplateResponse(request, template, context, status=status)


def _page_of(request: HttpRequest, row: Publication) -> str:
    """The song's page, or the start for an account that may not open it."""
    if request.user.has_perm(permissions.SEE_PUBLISHED):
        return reverse("admin:songs_publication_change", args=[row.pk])
    return reverse("admin:index")
