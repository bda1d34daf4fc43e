"""What the site leans on in django-allauth's private modules, and what is left without them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from allauth.core.internal import ratelimit
from django.conf import settings
from django.test import Client, RequestFactory

from songs.accounts import allauth_limits
from songs.models import User

PRIVATE = re.compile(r"(from|import) allauth[a-z_.]*\.internal")
FENCE = settings.BASE_DIR / "songs/accounts/allauth_limits.py"


def test_private_modules_of_allauth_are_used_in_one_file_alone() -> None:
    tops = (settings.BASE_DIR / top for top in ("songs", "melodymaker", "jobs"))
    sources = [path for top in tops for path in top.rglob("*.py")]
    assert [path for path in sources if PRIVATE.search(path.read_text())] == [FENCE]


@pytest.mark.django_db
def test_what_allauth_counts_is_found_where_it_is_kept(alice: User) -> None:
    request = RequestFactory().post("/accounts/password/reset/")
    request.user = alice
    asked = {"app": allauth_limits.ACCOUNT, "action": "reset_password"}
    rates = ratelimit.get_rates(**asked)
    for _ in range(min(rate.amount for rate in rates)):
        assert allauth_limits.wait_for(request, "reset_password", alice.email) is None
        assert ratelimit.consume(request, **asked, key=alice.email)
    assert not ratelimit.consume(request, **asked, key=alice.email)
    wait = allauth_limits.wait_for(request, "reset_password", alice.email)
    assert wait is not None
    assert timedelta() < wait <= timedelta(hours=1)


@pytest.mark.django_db
@pytest.mark.parametrize("other", [None, type("Other", (), {"get_rates": lambda: []})])
def test_without_them_a_limit_refuses_all_the_same(
    client: Client, alice: User, monkeypatch: Any, other: Any
) -> None:
    monkeypatch.setattr(allauth_limits, "ratelimit", other)
    answers = [
        client.post("/accounts/password/reset/", {"email": alice.email}).status_code
        for _ in range(5)
    ]
    refused = client.post("/accounts/password/reset/", {"email": alice.email})
    assert (set(answers), refused.status_code, refused["Retry-After"]) == ({302}, 429, "60")
    assert "Try again in 1 minute." in refused.content.decode()
