"""Accounts without an address, and accounts that share one which none of them has confirmed."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client

from songs.models import User
from tests.songs.doors import sign_in
from tests.support.cast import PASSWORD

pytestmark = pytest.mark.django_db
SHARED = "ada@example.com"


def with_address(name: str, password: str = PASSWORD) -> User:
    user = User.objects.create_user(name, SHARED, password)
    EmailAddress.objects.create(user=user, email=SHARED, primary=True)
    return user


def test_an_account_without_an_address_signs_in_and_gets_one(client: Client) -> None:
    User.objects.create_user("cleo", password=PASSWORD)
    assert sign_in(client, "cleo").status_code == 302
    assert "Your account has no address." in client.get("/accounts/email/").content.decode()


def test_accounts_that_share_an_address_have_passwords_of_their_own(client: Client) -> None:
    with_address("ada")
    ben = with_address("ben", "another-long-enough-one")
    sign_in(client, SHARED, "another-long-enough-one")
    assert client.session["_auth_user_id"] == str(ben.pk)


def test_each_of_them_gets_a_link_for_its_own_new_password(client: Client) -> None:
    with_address("ada")
    with_address("ben")
    client.post("/accounts/password/reset/", {"email": SHARED.upper()})
    told = " ".join(sent.body for sent in mail.outbox)
    assert ("“ada”" in told, "“ben”" in told) == (True, True)


def test_an_address_that_an_operator_changes_is_the_accounts_own(
    alice: User, olgas: Client
) -> None:
    EmailAddress.objects.create(user=alice, email="alice@example.com", primary=True, verified=True)
    form = olgas.get(f"/admin/songs/user/{alice.pk}/change/?tab=access").context["adminform"].form
    data = {name: form.initial.get(name) or "" for name in form.fields}
    data |= {"email": "Other@Example.com", "groups": [], "user_permissions": [], "is_active": "on"}
    answer = olgas.post(f"/admin/songs/user/{alice.pk}/change/", data)
    assert answer.status_code == 302
    [row] = EmailAddress.objects.values_list("user__username", "email", "primary", "verified")
    assert row == ("alice", "other@example.com", True, False)


def test_a_session_of_a_way_in_that_is_gone_is_over_and_nothing_fails(
    client: Client, alice: User
) -> None:
    client.force_login(alice)
    session = client.session
    session["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
    session.save()
    assert client.get("/").status_code == 200
    assert client.get("/songs/")["Location"] == "/accounts/login/?next=/songs/"
    assert sign_in(client)["Location"] == "/songs/"
