"""Django's debug page, which a development machine shows, holds no password."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from django.conf import settings as project
from django.test import RequestFactory
from django.views.debug import ExceptionReporter

SECRET = "the-pa55word"
HELD = {
    "DATABASE_URL": f"postgres://someone:{SECRET}@db.example.org/songs",
    "EMAIL_URL": f"smtp://someone:{SECRET}@mail.example.org",
    "POOL": f"postgres://db.example.org/songs?user=someone&password={SECRET}&sslmode=require",
    "PGPASSWORD": SECRET,
}


def page(**environment: str) -> str:
    request = RequestFactory().get("/", **environment)
    return str(ExceptionReporter(request, *error()).get_traceback_html())


def error() -> Any:
    """In a frame of its own: the page shows the variables of frames, too."""
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        return sys.exc_info()


@pytest.mark.parametrize("name", HELD)
def test_a_password_in_the_environment_is_not_shown(name: str) -> None:
    shown = page(**{name: HELD[name]})
    assert name in shown
    assert SECRET not in shown


def test_nor_one_in_a_setting(settings: Any) -> None:
    settings.A_SERVICE = {"urls": [HELD["DATABASE_URL"], (HELD["POOL"],)]}
    settings.OTHER_DATABASES = {"default": {"NAME": "songs", "PASSWORD": SECRET}}
    assert SECRET not in page()
    assert "db.example.org" in page()


def test_no_setting_holds_the_urls_of_databases() -> None:
    assert not hasattr(project, "DATABASE_URL")
    assert not hasattr(project, "DATABASE_LISTEN_URL")
