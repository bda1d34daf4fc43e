"""Pages that use the database in the ways in which code of a site can, and ways to spoil it."""

from __future__ import annotations

import contextlib
from typing import Any

from django.contrib.sessions.models import Session
from django.db import DatabaseError, connection, transaction
from django.dispatch import Signal, receiver
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.template.response import TemplateResponse
from django.urls import include, path
from django.utils import timezone

OK = "the page"


def execute(statement: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def become_reader() -> None:
    """What a fail-over does to a connection that it keeps."""
    execute("SET default_transaction_read_only = on")


def lose() -> None:
    """What the server does when it is stopped."""
    [[pid]] = execute("SELECT pg_backend_pid()")
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    other.close()


def write() -> None:
    Session.objects.create(session_key="x", session_data="", expire_date=timezone.now())


seen = Signal()


@receiver(seen)
def note(**of_signal: Any) -> None:
    write()


def view(request: HttpRequest) -> HttpResponse:
    write()
    return HttpResponse(OK)


def in_a_template(request: HttpRequest) -> HttpResponse:
    page = engines["django"].from_string("{{ written }}")
    return TemplateResponse(request, page, {"written": write})


def in_a_session(request: HttpRequest) -> HttpResponse:
    request.session["seen"] = True  # SessionMiddleware saves it when the view is over
    return HttpResponse(OK)


def in_a_signal_handler(request: HttpRequest) -> HttpResponse:
    seen.send(sender=None)
    return HttpResponse(OK)


def in_the_wrong_words(request: HttpRequest) -> HttpResponse:
    try:
        write()
    except DatabaseError as error:
        raise RuntimeError("The page could not be made.") from error
    return HttpResponse(OK)


@transaction.atomic
def goes_on_with_a_model(request: HttpRequest) -> HttpResponse:
    with contextlib.suppress(DatabaseError):
        write()
    return HttpResponse(Session.objects.count())


@transaction.atomic
def goes_on_with_sql(request: HttpRequest) -> HttpResponse:
    with contextlib.suppress(DatabaseError):
        execute("DELETE FROM django_session")
    return HttpResponse(execute("SELECT 1"))


def says_nothing(request: HttpRequest) -> HttpResponse:
    with contextlib.suppress(DatabaseError):
        write()
    return HttpResponse(OK)


@transaction.atomic
def loses_it_before_the_commit(request: HttpRequest) -> HttpResponse:
    write()
    lose()
    return HttpResponse(OK)


def fails_with(request: HttpRequest, code: str) -> HttpResponse:
    """PostgreSQL itself reports this code."""
    execute(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{code}'; END $$")
    return HttpResponse(OK)


VIEWS = [
    view,
    in_a_template,
    in_a_session,
    in_a_signal_handler,
    in_the_wrong_words,
    goes_on_with_a_model,
    goes_on_with_sql,
]
OTHERS = [says_nothing, loses_it_before_the_commit]
urlpatterns = [
    *[path(f"{page.__name__}/", page) for page in [*VIEWS, *OTHERS]],
    path("fails_with/<code>/", fails_with),
    path("", include("melodymaker.urls")),
]
