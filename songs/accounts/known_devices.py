"""Devices on which an account has signed in before: a signed cookie says so.

A stranger who tries passwords from the listener's own network cannot keep the listener out: a
known device has tries of its own (attempts.py). A changed password makes all devices unknown.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from songs.models import User

COOKIE = "known_device"
SALT = "songs.accounts.known_devices"
LASTS = 365 * 24 * 3600  # seconds
MAX_ACCOUNTS = 5  # that one browser remembers, the newest first


@dataclass(frozen=True)
class Device:
    """One browser, of one account. `stamp` is of the password with which it signed in."""

    account: int
    id: str
    stamp: str

    def is_of(self, user: User) -> bool:
        return self.account == user.pk and secrets.compare_digest(self.stamp, stamp_of(user))


def stamp_of(user: User) -> str:
    return user.get_session_auth_hash()[:16]


def devices(request: HttpRequest) -> list[Device]:
    """What the request's cookie says; none if it is missing, forged or too old."""
    try:
        given = signing.loads(request.COOKIES.get(COOKIE, ""), salt=SALT, max_age=LASTS)
        return [Device(*entry) for entry in given]
    except (signing.BadSignature, TypeError):
        return []


def known(request: HttpRequest, user: User) -> Device | None:
    return next((device for device in devices(request) if device.is_of(user)), None)


def remember(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """Make the browser known for this account."""
    here = devices(request)
    before = next((device.id for device in here if device.account == user.pk), None)
    newest = Device(user.pk, before or secrets.token_urlsafe(12), stamp_of(user))
    others = [device for device in here if device.account != user.pk]
    kept = [[d.account, d.id, d.stamp] for d in [newest, *others][:MAX_ACCOUNTS]]
    response.set_cookie(
        COOKIE,
        signing.dumps(kept, salt=SALT),
        max_age=LASTS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
