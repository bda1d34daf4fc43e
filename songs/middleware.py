"""Middleware: requests about an account that was closed while they were under way."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.defaults import page_not_found

from songs.models import User

Answer = Callable[[HttpRequest], HttpResponse]
CLOSED = "This account was closed, in another tab or by an operator. Nothing was done."


def account_gone(get_response: Answer) -> Answer:
    """Lead the account's own requests to the page to sign in; others' are a 404."""

    def middleware(request: HttpRequest) -> HttpResponse:
        return get_response(request)

    def process_exception(request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, User.DoesNotExist):
            return None
        is_there = request.user.is_anonymous or User.objects.filter(pk=request.user.pk).exists()
        if is_there:
            return page_not_found(request, error)
        logout(request)
        messages.error(request, CLOSED)
        return HttpResponseRedirect(reverse("account_login"), status=303)

    middleware.process_exception = process_exception  # type: ignore[attr-defined]
    return middleware
