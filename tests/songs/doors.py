"""How a test signs up, in and out, and reads what came by mail."""

from __future__ import annotations

import re
from typing import Any

from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client

from songs.models import CacheEntry, User
from tests.support.cast import PASSWORD


def sign_in(client: Client, name: str = "alice", password: str = PASSWORD, **more: Any) -> Any:
    return client.post("/accounts/login/", {"login": name, "password": password, **more})


def sign_up(client: Client, name: str = "dora", **more: Any) -> Any:
    form = {"username": name, "email": f"{name}@example.com"}
    form |= {"password1": PASSWORD, "password2": PASSWORD, **more}
    return client.post("/accounts/signup/", form)


def is_signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def link(number: int = -1) -> str:
    """The path of the link in a mail, the last one if none is said."""
    found = re.search(r"https?://[^/]+(/accounts/\S+)", mail.outbox[number].body)
    assert found, mail.outbox[number].body
    return found[1]


def confirm(client: Client, path: str = "") -> Any:
    return client.post(path or link(), follow=True)


def with_address(user: User, *, verified: bool = True) -> EmailAddress:
    return EmailAddress.objects.create(
        user=user, email=user.email.lower(), primary=True, verified=verified
    )


def a_while_later() -> None:
    """Every count has run out, and each address may get another mail."""
    CacheEntry.objects.all().delete()
