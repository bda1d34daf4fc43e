"""The cast as fixtures, and what every test of the product wants."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from songs.models import User
from tests.support import cast


@pytest.fixture(autouse=True)
def _own_files(settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def alice(db) -> User:
    return cast.alice()


@pytest.fixture
def bob(db) -> User:
    return cast.bob()


@pytest.fixture
def penny(db) -> User:
    return cast.penny()


@pytest.fixture
def olga(db) -> User:
    return cast.olga()


def as_(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def alices(alice: User) -> Client:
    """Alice's browser."""
    return as_(alice)


@pytest.fixture
def bobs(bob: User) -> Client:
    """Bob's browser."""
    return as_(bob)


@pytest.fixture
def olgas(olga: User) -> Client:
    """The operator's browser."""
    return as_(olga)
