"""What the panel's tests share: an operator who is signed in there, and requests that
reach the engine's pages as they are."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings as project
from django.test import Client

from songs.models import User
from tests.support import cast


@pytest.fixture(autouse=True)
def _unscreened(settings: Any) -> None:
    """This site refuses a NUL before a page sees it. Another site need not, and the engine's pages
    cope with it themselves."""
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if not name.endswith(".no_nul")]


@pytest.fixture
def operator(client: Client) -> User:
    account = cast.olga()
    client.force_login(account)
    return account


@pytest.fixture
def cookie(client: Client, operator: User) -> dict[str, str]:
    name = project.SESSION_COOKIE_NAME
    return {"name": name, "value": client.cookies[name].value}
