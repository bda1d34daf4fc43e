"""What the site leans on in private parts of django-allauth, and what is left without them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import allauth
import pytest
from allauth.account.internal.decorators import login_stage_required
from allauth.account.models import EmailAddress, Login
from allauth.account.stages import EmailVerificationStage, LoginStageController
from allauth.core.internal import ratelimit
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import URLResolver, get_resolver

from songs.accounts import adapter, allauth_internals, refusals
from songs.accounts.allauth_internals import half_signed_in
from songs.models import User

PRIVATE = re.compile(r"(from|import) allauth[a-z_.]*\.internal")
FENCE = settings.BASE_DIR / "songs/accounts/allauth_internals.py"
TOPS = ("account", "core", "mfa", "usersessions")


def sources() -> list[Path]:
    tops = (settings.BASE_DIR / top for top in ("songs", "melodymaker", "jobs"))
    return [path for top in tops for path in top.rglob("*.py")]


def private_names(source: Path) -> Iterator[str]:
    """Of attributes, of what is defined, and in texts, as `getattr` reads them."""
    for node in ast.walk(ast.parse(source.read_text())):
        match node:
            case ast.Attribute(attr=name) | ast.FunctionDef(name=name) | ast.Constant(value=name):
                if isinstance(name, str) and re.fullmatch("_[a-z][a-z_]*", name):
                    yield name


def test_private_modules_of_allauth_are_used_in_one_file_alone() -> None:
    assert [path for path in sources() if PRIVATE.search(path.read_text())] == [FENCE]


def test_private_names_of_allauth_are_used_in_one_file_alone() -> None:
    folders = (Path(allauth.__file__).parent / top for top in TOPS)
    modules = (path for folder in folders for path in folder.rglob("*.py"))
    theirs = {name for path in modules for name in private_names(path)}
    assert {"_login_stage", "_action_send"} <= theirs
    ours = [path for path in sources() if re.search(r"(from|import) allauth", path.read_text())]
    found = {path: theirs.intersection(private_names(path)) for path in ours}
    assert {path: names for path, names in found.items() if names} == {FENCE: {"_login_stage"}}


@pytest.mark.django_db
def test_an_account_that_is_half_signed_in_is_known_at_the_second_factor(
    alice: User, monkeypatch: Any
) -> None:
    def enter(request: HttpRequest, key: str) -> EmailVerificationStage:
        return EmailVerificationStage(LoginStageController(request, login), request, login)

    login = Login(user=alice)
    monkeypatch.setattr(LoginStageController, "enter", enter)
    seen = []

    @login_stage_required("mfa_authenticate", "account_login")
    def page(request: HttpRequest) -> HttpResponse:
        seen.append(half_signed_in(request))
        return HttpResponse()

    request = RequestFactory().post("/accounts/2fa/authenticate/")
    request.user = AnonymousUser()
    assert half_signed_in(request) is None
    page(request)
    assert seen == [alice]


@pytest.mark.django_db
def test_without_it_too_many_codes_are_refused_all_the_same(monkeypatch: Any) -> None:
    request = RequestFactory().post("/accounts/2fa/authenticate/")
    request.user = AnonymousUser()
    monkeypatch.setattr(adapter.current, "request", request, raising=False)
    refused = adapter.AccountAdapter(request).validation_error("too_many_login_attempts")
    assert isinstance(refused, refusals.TooOften)
    assert refused.wait == timedelta(seconds=1)


@pytest.mark.django_db
def test_what_allauth_counts_is_found_where_it_is_kept(alice: User) -> None:
    request = RequestFactory().post("/accounts/password/reset/")
    request.user = alice
    asked = {"app": allauth_internals.ACCOUNT, "action": "reset_password"}
    rates = ratelimit.get_rates(**asked)
    for _ in range(min(rate.amount for rate in rates)):
        assert allauth_internals.wait_for(request, "reset_password", alice.email) is None
        assert ratelimit.consume(request, **asked, key=alice.email)
    assert not ratelimit.consume(request, **asked, key=alice.email)
    wait = allauth_internals.wait_for(request, "reset_password", alice.email)
    assert wait is not None
    assert timedelta() < wait <= timedelta(hours=1)


@pytest.mark.django_db
@pytest.mark.parametrize("other", [None, type("Other", (), {"get_rates": lambda: []})])
def test_without_them_a_limit_refuses_all_the_same(
    client: Client, alice: User, monkeypatch: Any, other: Any
) -> None:
    monkeypatch.setattr(allauth_internals, "ratelimit", other)
    answers = [
        client.post("/accounts/password/reset/", {"email": alice.email}).status_code
        for _ in range(5)
    ]
    refused = client.post("/accounts/password/reset/", {"email": alice.email})
    assert (set(answers), refused.status_code, refused["Retry-After"]) == ({302}, 429, "60")
    assert "Try again in 1 minute." in refused.content.decode()


def addresses(resolver: URLResolver, before: str = "/") -> Iterator[str]:
    """Of all pages that take no argument."""
    for pattern in resolver.url_patterns:
        address = f"{before}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern, address)
        elif not re.search(r"[<(^]", address):
            yield address


PAGES = sorted(page for page in set(addresses(get_resolver())) if page.startswith("/accounts/"))


@pytest.mark.parametrize("page", PAGES)
def test_no_page_that_a_version_of_allauth_brings_breaks(
    alices: Client, alice: User, client: Client, page: str
) -> None:
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    for listener in (alices, client):
        assert listener.get(page).status_code < 500


def test_an_account_confirms_itself_by_password_or_second_factor_and_not_by_mail(
    alices: Client, alice: User
) -> None:
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    page = alices.get("/accounts/reauthenticate/").content.decode()
    assert "Confirm that it is you" in page.replace("&nbsp;", " ")
    assert "sign-in code" not in page
    assert alices.get("/accounts/reauthenticate/code/").status_code == 403
