"""Accounts, passwords and ledgers survive the migration to django-allauth."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.apps import apps
from django.core import mail
from django.db import connection
from django.test import Client

from songs import credits
from songs.accounts import welcome
from songs.models import EntryKind, User, WelcomedAddress
from tests.songs.doors import confirm, sign_in
from tests.support.cast import PASSWORD

pytestmark = pytest.mark.django_db
migration = import_module("songs.migrations.0010_addresses_of_accounts")


def made_before(name: str, email: str, **more: Any) -> User:
    """As the site made it: with an address that was never asked for."""
    user = User.objects.create_user(name, **{"password": PASSWORD, **more})
    User.objects.filter(pk=user.pk).update(email=email)
    return user


def migrate() -> None:
    migration.adopt_addresses(apps)
    migration.note_welcomed(apps)


def addresses() -> list[tuple[str, str, bool, bool]]:
    rows = EmailAddress.objects.order_by("user__username")
    return list(rows.values_list("user__username", "email", "primary", "verified"))


def test_each_account_keeps_its_address(monkeypatch) -> None:
    monkeypatch.setattr(migration, "BATCH", 2)
    made_before("ada", "Ada@Example.com")
    made_before("ben", "ada@example.com")
    made_before("cleo", "")
    made_before("dan", "dan@example.com", is_active=False)
    made_before("eve", "ADA@example.com")
    migrate()
    assert addresses() == [
        ("ada", "ada@example.com", True, False),
        ("ben", "ada@example.com", True, False),
        ("dan", "dan@example.com", True, False),
        ("eve", "ada@example.com", True, False),
    ]


def test_what_is_there_already_stays() -> None:
    """The new site may have been asked before the migration came so far."""
    ada = made_before("ada", "ada@example.com")
    EmailAddress.objects.create(user=ada, email="ada@example.com", primary=True, verified=True)
    migrate()
    migrate()
    assert addresses() == [("ada", "ada@example.com", True, True)]


@pytest.mark.parametrize("name", ["ada", "ADA", "ada@example.com"])
def test_old_accounts_sign_in_with_their_passwords(client: Client, name: str) -> None:
    made_before("ada", "Ada@Example.com")
    migrate()
    assert sign_in(client, name).status_code == 302


def test_an_account_without_an_address_signs_in_and_gets_one(client: Client) -> None:
    made_before("cleo", "")
    migrate()
    assert sign_in(client, "cleo").status_code == 302
    assert "Your account has no address." in client.get("/accounts/email/").content.decode()


def test_accounts_that_share_an_address_have_passwords_of_their_own(client: Client) -> None:
    made_before("ada", "Ada@Example.com")
    ben = made_before("ben", "ada@example.com", password="another-long-enough-one")
    migrate()
    sign_in(client, "ada@example.com", "another-long-enough-one")
    assert client.session["_auth_user_id"] == str(ben.pk)


def test_each_of_them_gets_a_link_for_its_own_new_password(client: Client) -> None:
    made_before("ada", "Ada@Example.com")
    made_before("ben", "ada@example.com")
    migrate()
    client.post("/accounts/password/reset/", {"email": "ADA@example.com"})
    told = " ".join(sent.body for sent in mail.outbox)
    assert ("“ada”" in told, "“ben”" in told) == (True, True)


def test_a_ledger_stays_and_its_welcome_is_not_granted_again(client: Client, settings) -> None:
    settings.STARTING_CREDITS = 5
    ada = made_before("ada", "Ada@Example.com")
    credits.welcome(ada)
    credits.grant(made_before("ben", "ben@example.com"), 3, why="a gift")
    migrate()
    assert [row.pk for row in WelcomedAddress.objects.all()] == welcome.digests("ada@example.com")
    sign_in(client, "ada")
    client.post("/accounts/email/", {"email": "ada@example.com", "action_send": "1"})
    confirm(client)
    ada.refresh_from_db()
    assert (ada.credits, ada.credit_entries.get().kind) == (5, EntryKind.WELCOME)
    assert EmailAddress.objects.get(user=ada).verified


def test_names_that_failed_to_sign_in_are_kept_nowhere() -> None:
    """Nor after the migration went back, as for the version before, and forth."""
    [drop] = import_module("songs.migrations.0017_without_failed_sign_ins").Migration.operations
    table = "songs_signinfailure"
    assert table not in connection.introspection.table_names()
    for statement, is_there in ((drop.reverse_sql, True), (drop.sql, False)):
        with connection.cursor() as cursor:
            cursor.execute(statement)
        assert (table in connection.introspection.table_names()) is is_there


def test_an_address_that_an_operator_changes_is_the_accounts_own(
    alice: User, olgas: Client
) -> None:
    EmailAddress.objects.create(user=alice, email="alice@example.com", primary=True, verified=True)
    form = olgas.get(f"/admin/songs/user/{alice.pk}/change/?tab=access").context["adminform"].form
    data = {name: form.initial.get(name) or "" for name in form.fields}
    data |= {"email": "Other@Example.com", "groups": [], "user_permissions": [], "is_active": "on"}
    answer = olgas.post(f"/admin/songs/user/{alice.pk}/change/", data)
    assert answer.status_code == 302
    assert addresses() == [("alice", "other@example.com", True, False)]


def test_a_session_of_the_old_sign_in_is_over_and_nothing_fails(
    client: Client, alice: User
) -> None:
    client.force_login(alice)
    session = client.session
    session["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
    session.save()
    assert client.get("/").status_code == 200
    assert client.get("/songs/")["Location"] == "/accounts/login/?next=/songs/"
    assert sign_in(client)["Location"] == "/songs/"
