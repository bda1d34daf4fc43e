"""Signing up, in and out, and what an account's owner changes about it."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client

from songs import credits
from songs.models import User
from tests.songs.doors import confirm, is_signed_in, link, sign_in, sign_up, with_address
from tests.support import cast
from tests.support.cast import PASSWORD

pytestmark = pytest.mark.django_db
NEW = "another-long-enough-one"


def test_a_listener_signs_in_and_out(client: Client, alice: User) -> None:
    assert sign_in(client)["Location"] == "/songs/"
    assert client.get("/songs/").status_code == 200
    assert client.post("/accounts/logout/")["Location"] == "/accounts/login/"
    assert client.get("/songs/").status_code == 302


@pytest.mark.parametrize("name", ["ALICE", "alice@example.com", "Alice@Example.COM", " alice "])
def test_a_listener_signs_in_by_name_or_by_address(client: Client, alice: User, name: str) -> None:
    assert sign_in(client, name)["Location"] == "/songs/"


def test_a_link_signs_no_listener_out(alices: Client) -> None:
    page = alices.get("/accounts/logout/")
    assert "Sign out?" in page.content.decode()
    assert alices.get("/songs/").status_code == 200


@pytest.mark.parametrize(("name", "password"), [("alice", "wrong"), ("nobody", PASSWORD)])
def test_a_wrong_password_is_one_clear_sentence(
    client: Client, alice: User, name: str, password: str
) -> None:
    answer = sign_in(client, name, password)
    assert answer.status_code == 422
    assert "That name and password do not belong together." in answer.content.decode()
    assert f'value="{name}"' in answer.content.decode()


def test_a_closed_account_does_not_sign_in(client: Client, alice: User) -> None:
    User.objects.update(is_active=False)
    assert sign_in(client)["Location"] == "/accounts/inactive/"
    assert not is_signed_in(client)


def test_signing_up_makes_an_account_and_signs_it_in(client: Client) -> None:
    assert sign_up(client)["Location"] == "/"
    dora = User.objects.get(username="dora")
    assert (dora.email, dora.credits) == ("dora@example.com", 0)
    assert is_signed_in(client)
    assert "10 credits wait for you" in client.get("/").content.decode()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"username": "ALICE"}, "Another account has this name."),
        ({"username": "a b"}, "A name has letters, digits and . + - _ alone."),
        ({"username": "dora@example.com"}, "A name has no “@”."),
        ({"username": ""}, "This field is required."),
        ({"username": "a" * 151}, "at most 150 characters"),
        ({"password2": NEW}, "You must type the same password each time."),
        ({"password1": "12345678", "password2": "12345678"}, "This password is too common."),
        ({"email": "nonsense"}, "Enter a valid email address."),
        ({"email": ""}, "This field is required."),
    ],
)
def test_a_bad_sign_up_makes_no_account(
    client: Client, alice: User, given: dict[str, str], sentence: str
) -> None:
    answer = sign_up(client, **given)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert list(User.objects.all()) == [alice]
    assert mail.outbox == []


def test_a_name_that_was_taken_in_between_is_a_sentence(client: Client, monkeypatch) -> None:
    """Both requests have found the name free."""
    monkeypatch.setattr(
        "songs.accounts.adapter.AccountAdapter.clean_username", lambda _, name: name
    )
    sign_up(client)
    answer = sign_up(Client(), email="other@example.com")
    assert answer.status_code == 422
    assert "Another account has just taken this name." in answer.content.decode()
    assert User.objects.count() == EmailAddress.objects.count() == 1


def test_a_stranger_does_not_learn_which_addresses_have_accounts(
    client: Client, alice: User
) -> None:
    """The second account with the address can never confirm it."""
    with_address(alice)
    assert sign_up(client, email="Alice@example.com")["Location"] == "/"
    confirm(client)
    assert EmailAddress.objects.get(verified=True).user == alice


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "javascript:x"])
def test_next_leads_to_this_site_only(client: Client, alice: User, elsewhere: str) -> None:
    assert sign_in(client, next=elsewhere)["Location"] == "/songs/"
    client.logout()
    assert sign_up(client, next=elsewhere)["Location"] == "/"


def test_next_leads_back_to_where_one_was(client: Client, alice: User) -> None:
    assert client.get("/songs/")["Location"] == "/accounts/login/?next=/songs/"
    assert sign_in(client, next="/?like=x")["Location"] == "/?like=x"


def test_a_lost_password_is_set_anew_by_mail(client: Client, alice: User, alices: Client) -> None:
    client.post("/accounts/password/reset/", {"email": "ALICE@example.com"})
    assert mail.outbox[-1].to == ["alice@example.com"]
    form = client.get(link(), follow=True).request["PATH_INFO"]
    answer = client.post(form, {"password1": NEW, "password2": NEW})
    assert answer["Location"] == "/songs/"
    assert client.get("/songs/").status_code == 200
    assert sign_in(Client(), password=PASSWORD).status_code == 422
    assert sign_in(Client(), password=NEW)["Location"] == "/songs/"
    assert alices.get("/songs/").status_code == 302
    assert "no longer good" in Client().get(link(0), follow=True).content.decode()


def test_no_answer_tells_whether_an_address_has_an_account(client: Client, alice: User) -> None:
    answers = [
        client.post("/accounts/password/reset/", {"email": f"{name}@example.com"}, follow=True)
        for name in ("alice", "nobody")
    ]
    assert len({answer.content for answer in answers}) == 1
    assert [sent.to for sent in mail.outbox] == [["alice@example.com"], ["nobody@example.com"]]


def test_a_changed_password_ends_the_other_sessions(alice: User, alices: Client) -> None:
    here = Client()
    sign_in(here)
    form = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    here.post("/accounts/password/change/", form)
    assert here.get("/songs/").status_code == 200
    assert alices.get("/songs/").status_code == 302
    assert sign_in(Client(), password=NEW).status_code == 302
    assert "password was changed" in mail.outbox[-1].subject


def test_a_password_is_changed_by_its_owner_alone(alices: Client, alice: User) -> None:
    form = {"oldpassword": "wrong", "password1": NEW, "password2": NEW}
    answer = alices.post("/accounts/password/change/", form)
    assert "This is not your password." in answer.content.decode()
    assert sign_in(Client()).status_code == 302


def changes_address(client: Client, address: str) -> Any:
    """The site asks for the password once more, then for the address."""
    asked = client.post("/accounts/email/", {"email": address, "action_add": "1"})
    assert asked["Location"].startswith("/accounts/reauthenticate/")
    return client.post(asked["Location"], {"password": PASSWORD}, follow=True)


def test_an_address_is_changed_when_the_new_one_is_confirmed(client: Client, alice: User) -> None:
    with_address(alice)
    sign_in(client)
    changes_address(client, "new@example.com")
    assert User.objects.get().email == "alice@example.com"
    assert mail.outbox[-1].to == ["new@example.com"]
    confirm(client)
    assert User.objects.get().email == "new@example.com"
    assert EmailAddress.objects.get().email == "new@example.com"
    assert mail.outbox[-1].to == ["alice@example.com"]


def test_a_listener_ends_the_other_sessions(alice: User) -> None:
    here, there = Client(headers={"user-agent": "Mozilla Firefox/1 (Linux)"}), Client()
    sign_in(here)
    sign_in(there)
    assert "Firefox on Linux" in here.get("/accounts/sessions/").content.decode()
    here.post("/accounts/sessions/")
    assert here.get("/songs/").status_code == 200
    assert there.get("/songs/").status_code == 302
    assert "No other browser is signed in." in here.get("/accounts/sessions/").content.decode()


def test_the_account_is_one_page(alices: Client, alice: User) -> None:
    with_address(alice, verified=False)
    page = alices.get("/accounts/").content.decode()
    for told in ("alice@example.com", "not confirmed", "Second factor", "Sessions", ">Change<"):
        assert told in page


@pytest.mark.parametrize(
    "page", ["", "email/", "password/change/", "2fa/", "sessions/", "credits/"]
)
def test_strangers_have_no_account_pages(client: Client, page: str) -> None:
    assert client.get(f"/accounts/{page}")["Location"].startswith("/accounts/login/")


def test_a_mail_that_cannot_be_sent_fails_no_request(client: Client, settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9  # nothing listens there
    assert sign_up(client)["Location"] == "/"
    assert "The mail could not be sent just now." in client.get("/").content.decode()
    assert User.objects.get().username == "dora"


def test_a_listener_sees_where_the_credits_went(alices: Client, alice: User, bob: User) -> None:
    credits.charge(cast.a_song(alice, "a waltz for two cats"))
    credits.charge(cast.a_song(bob, "a march for dogs"))
    page = alices.get("/accounts/credits/").content.decode()
    for told in ("You have 2.", "A waltz for two cats", ">-1<", "for the test", ">+3<"):
        assert told in page
    assert "march" not in page
