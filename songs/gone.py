"""Requests about an account that was closed, or a song that was deleted, while they were under way.

A request may wait for the closing to commit, and then find that a row is gone that it has read
before: by a `DoesNotExist`, by a foreign key, or by a `save()` that writes no row.
"""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import logout
from django.db import DatabaseError, IntegrityError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from songs import answers
from songs.models import Song, User

CLOSED = "This account was closed, in another tab or by an operator. Nothing was done."


def answer(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """The answer to a request that failed since a row is gone; None if it failed otherwise."""
    has_no_row = isinstance(error, User.DoesNotExist | Song.DoesNotExist) or _is_of_save(error)
    if not (has_no_row or isinstance(error, IntegrityError)):
        return None  # an outage leaves no database to ask
    if _is_closed(request):
        return _to_sign_in(request)
    return not_found(request, error) if has_no_row else None


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404 (handler404). Its page shows the account's balance, and the account may be gone."""
    try:
        return answers.not_found(request, exception)
    except User.DoesNotExist:
        return _to_sign_in(request)


def _is_of_save(error: Exception) -> bool:
    """Whether a `save()` has found no row to update. An error of the driver's has a cause."""
    return type(error) is DatabaseError and error.__cause__ is None


def _is_closed(request: HttpRequest) -> bool:
    user = request.user
    return user.is_authenticated and not User.objects.filter(pk=user.pk).exists()


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    logout(request)
    messages.error(request, CLOSED)
    return HttpResponseRedirect(reverse("account_login"), status=303)
