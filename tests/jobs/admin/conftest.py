"""What the tests in a browser share: the browser, and an operator who is signed in there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser

from songs.models import User
from tests.support import browser as chromium
from tests.support import cast


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.chromium() as started:
        yield started


@pytest.fixture
def operator(client: Client) -> User:
    account = cast.olga()
    client.force_login(account)
    return account


@pytest.fixture
def cookie(client: Client, operator: User) -> dict[str, str]:
    name = settings.SESSION_COOKIE_NAME
    return {"name": name, "value": client.cookies[name].value}
