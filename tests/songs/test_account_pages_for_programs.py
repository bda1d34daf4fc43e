"""A program that asks an account's page for JSON gets what a browser gets: the page and its status,
without the password."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core import mail
from django.test import Client

from songs.accounts import attempts
from songs.models import User
from tests.songs.doors import is_signed_in, sign_in, with_address
from tests.support.cast import PASSWORD

pytestmark = pytest.mark.django_db
WAYS = [
    {"headers": {"Accept": "application/json"}},
    {"headers": {"X-Requested-With": "XMLHttpRequest"}},
]
DOOR, WRONG = "/accounts/login/", "not-the-password-of-alice"


def ask(client: Client, way: dict[str, Any], path: str = DOOR, **form: str) -> Any:
    return client.post(path, form, **way) if form else client.get(path, **way)


@pytest.mark.parametrize("way", WAYS)
def test_a_program_signs_in_by_the_form(client: Client, alice: User, way: dict[str, Any]) -> None:
    answer = ask(client, way, login="alice", password=PASSWORD)
    assert (answer.status_code, answer["Location"]) == (302, "/songs/")
    assert is_signed_in(client)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("path", "form"),
    [
        (DOOR, {"login": "alice", "password": WRONG}),
        (
            "/accounts/signup/",
            {"username": "alice", "email": "a@b.example", "password1": WRONG, "password2": WRONG},
        ),
    ],
)
def test_no_answer_repeats_a_password(
    client: Client, alice: User, way: dict[str, Any], path: str, form: dict[str, str]
) -> None:
    answer = ask(client, way, path, **form)
    assert answer.status_code == 422
    assert WRONG not in answer.content.decode()


@pytest.mark.parametrize("way", WAYS)
def test_too_many_passwords_are_a_429_with_the_time_to_wait(
    client: Client, alice: User, way: dict[str, Any]
) -> None:
    for _ in range(attempts.BY_ACCOUNT + 1):
        answer = ask(client, way, login="alice", password=WRONG)
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= attempts.WINDOW.total_seconds()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("page", ["email/", "password/change/", "password/reset/", "logout/"])
def test_what_an_account_is_shown_is_kept_by_no_cache(
    client: Client, alice: User, way: dict[str, Any], page: str
) -> None:
    sign_in(client)
    answer = ask(client, way, f"/accounts/{page}")
    assert answer["Content-Type"].startswith("text/html")
    assert "no-store" in answer["Cache-Control"]


def test_the_script_of_the_passkeys_gets_its_json(client: Client, db: None) -> None:
    answer = ask(client, WAYS[0], "/accounts/2fa/webauthn/login/")
    assert "publicKey" in answer.json()["request_options"]
    assert "no-store" in answer["Cache-Control"]


# --- methods that no page sends ---

FORMS = ["email/", "password/change/", "password/reset/", "reauthenticate/", "sessions/", "2fa/"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("page", FORMS)
def test_an_accounts_page_answers_405_to_what_no_form_sends(
    client: Client, alice: User, page: str, method: str
) -> None:
    sign_in(client)
    answer = client.generic(method, f"/accounts/{page}", **WAYS[0])
    assert answer.status_code == 405
    assert answer.json()["error"]
    allowed = set(answer["Allow"].split(", "))
    assert {"GET", "HEAD"} <= allowed <= {"GET", "HEAD", "POST", "OPTIONS"}
    assert set(client.options(f"/accounts/{page}")["Allow"].split(", ")) == allowed


def test_a_passkey_is_removed_by_its_form_alone_which_sends_a_mail(
    client: Client, alice: User
) -> None:
    """DELETE removed it without a mail to its listener, and left the recovery codes."""
    with_address(alice)
    sign_in(client)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    key = Authenticator.objects.create(user=alice, type="webauthn", data={"name": "Mine"})
    where = f"/accounts/2fa/webauthn/keys/{key.pk}/remove/"
    assert client.delete(where).status_code == 405
    assert Authenticator.objects.filter(pk=key.pk).exists()
    assert client.post(where).status_code == 302
    assert not Authenticator.objects.filter(pk=key.pk).exists()
    assert [message.to for message in mail.outbox] == [[alice.email]]
