"""Signing up, in and out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from songs import credits
from songs.models import CreditEntry, EntryKind, SignInFailure, User
from songs.signin import ALLOWED_FAILURES, PAUSE
from tests.support import cast
from tests.support.cast import PASSWORD

pytestmark = pytest.mark.django_db


def sign_in(client: Client, name: str = "alice", password: str = PASSWORD, **more: Any) -> Any:
    return client.post("/accounts/login/", {"username": name, "password": password, **more})


def sign_up(client: Client, name: str = "dora", **more: Any) -> Any:
    form = {"username": name, "password1": PASSWORD, "password2": PASSWORD, **more}
    return client.post("/accounts/signup/", form)


def test_a_listener_signs_in_and_out(client: Client, alice: User) -> None:
    assert sign_in(client)["Location"] == "/songs/"
    assert client.get("/songs/").status_code == 200
    assert client.post("/accounts/logout/")["Location"] == "/accounts/login/"
    assert client.get("/songs/").status_code == 302


def test_a_link_signs_nobody_out(alices: Client) -> None:
    assert alices.get("/accounts/logout/").status_code == 405
    assert alices.get("/songs/").status_code == 200


def test_a_wrong_password_is_one_clear_sentence(client: Client, alice: User) -> None:
    answer = sign_in(client, password="wrong")
    assert "Please enter a correct username and password" in answer.content.decode()
    assert 'value="alice"' in answer.content.decode()


def test_signing_up_makes_an_account_with_welcome_credits(client: Client, settings) -> None:
    settings.STARTING_CREDITS = 4
    assert sign_up(client)["Location"] == "/"
    dora = User.objects.get(username="dora")
    entry = dora.credit_entries.get()
    assert (dora.credits, entry.amount, entry.kind) == (4, 4, EntryKind.WELCOME)
    assert "4 <span" in client.get("/").content.decode()


def test_a_site_may_give_nothing(client: Client, settings) -> None:
    settings.STARTING_CREDITS = 0
    sign_up(client)
    assert User.objects.get(username="dora").credits == 0
    assert not CreditEntry.objects.exists()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"username": "ALICE"}, "A user with that username already exists."),
        ({"username": "a b"}, "Enter a valid username."),
        ({"password2": "another-long-one"}, "The two password fields"),
        ({"password1": "12345678", "password2": "12345678"}, "This password is too common."),
        ({"email": "nonsense"}, "Enter a valid email address."),
    ],
)
def test_a_bad_sign_up_makes_no_account(
    client: Client, alice: User, given: dict[str, str], sentence: str
) -> None:
    answer = sign_up(client, **given)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert list(User.objects.all()) == [alice]


def test_welcome_credits_and_account_are_one_fact(client: Client, monkeypatch) -> None:
    def broken(user: User) -> None:
        raise RuntimeError("the ledger is closed")

    monkeypatch.setattr("songs.credits.welcome", broken)
    with pytest.raises(RuntimeError):
        sign_up(client)
    assert not User.objects.exists()


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "javascript:x"])
def test_next_leads_to_this_site_only(client: Client, alice: User, elsewhere: str) -> None:
    assert sign_in(client, next=elsewhere)["Location"] == "/songs/"
    client.logout()
    assert sign_up(client, next=elsewhere)["Location"] == "/"


def test_next_leads_back_to_where_one_was(client: Client, alice: User) -> None:
    assert client.get("/songs/")["Location"] == "/accounts/login/?next=/songs/"
    assert sign_in(client, next="/?like=x")["Location"] == "/?like=x"


def test_a_listener_sees_where_the_credits_went(alices: Client, alice: User, bob: User) -> None:
    credits.charge(cast.a_song(alice, "a waltz for two cats"))
    credits.charge(cast.a_song(bob, "a march for dogs"))
    page = alices.get("/accounts/credits/").content.decode()
    for told in ("You have 2.", "A waltz for two cats", ">-1<", "for the test", ">+3<"):
        assert told in page
    assert "march" not in page


def test_strangers_have_no_ledger(client: Client) -> None:
    assert client.get("/accounts/credits/")["Location"].startswith("/accounts/login/")


def fail_often(client: Client, name: str = "alice") -> None:
    for _ in range(ALLOWED_FAILURES):
        sign_in(client, name, "wrong")


@pytest.mark.parametrize("door", ["/accounts/login/", "/admin/login/"])
def test_too_many_wrong_passwords_pause_both_doors(client: Client, olga: User, door: str) -> None:
    fail_often(client, "OLGA")
    answer = client.post(door, {"username": "olga", "password": PASSWORD})
    assert "Too many wrong passwords" in answer.content.decode()
    assert "_auth_user_id" not in client.session


def test_the_pause_is_for_one_name_from_one_address(client: Client, alice: User, bob: User) -> None:
    fail_often(client)
    assert sign_in(client, "bob").status_code == 302
    assert sign_in(Client(REMOTE_ADDR="10.0.0.9"), "alice").status_code == 302


def test_the_pause_ends(client: Client, alice: User) -> None:
    fail_often(client)
    SignInFailure.objects.update(at=timezone.now() - PAUSE - timedelta(seconds=1))
    assert sign_in(client).status_code == 302


def test_a_right_password_forgives_the_wrong_ones(client: Client, alice: User) -> None:
    sign_in(client, password="wrong")
    sign_in(client)
    assert not SignInFailure.objects.exists()


def test_no_password_is_kept_with_a_failure(client: Client, alice: User) -> None:
    sign_in(client, password="hunter2-hunter2")
    assert "hunter2" not in str(SignInFailure.objects.values().get())
