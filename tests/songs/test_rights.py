"""Rights are given by superusers alone, no account acts on a stronger one, and the history keeps
its names."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group, Permission
from django.contrib.messages import get_messages
from django.db import transaction
from django.db.models import ProtectedError
from django.test import Client

from songs import credits
from songs.accounts.backend import AccountBackend
from songs.leaving import LastSuperuser, close_account
from songs.models import CreditEntry, User
from tests.songs.conftest import as_
from tests.support.cast import PASSWORD, a_song, gustav, listener, staff, vera
from tests.support.functions import at_once

pytestmark = pytest.mark.django_db
USERS, GROUPS = "/admin/songs/user/", "/admin/auth/group/"
ALL = [
    *("view_user", "add_user", "change_user", "delete_user", "grant_credits", "view_group"),
    *("add_group", "change_group", "delete_group"),
]


@pytest.fixture
def sam() -> User:
    """Answers listeners' mail: may look at listeners and change them."""
    return staff("sam", "view_user", "change_user")


def form_of(client: Client, user: User) -> dict[str, Any]:
    """The form of an account's page, as a browser would send it back; empty if there is none."""
    form = client.get(f"{USERS}{user.pk}/change/").context["adminform"].form
    named = {n: v for n, v in form.initial.items() if n in form.fields and n != "password"}
    kept = {n: [x.pk for x in v] if isinstance(v, list) else v for n, v in named.items()}
    return {n: v for n, v in kept.items() if v not in (None, False, [])}


def change(client: Client, user: User, **fields: Any) -> int:
    return client.post(f"{USERS}{user.pk}/change/", form_of(client, user) | fields).status_code


def said(response: Any) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


def rights(user: User) -> tuple[bool, bool, bool, int, int]:
    user = User.objects.get(pk=user.pk)
    flags = (user.is_active, user.is_staff, user.is_superuser)
    return (*flags, user.groups.count(), user.user_permissions.count())


# --- what is held ---


def test_an_account_holds_what_it_and_its_groups_are_given(django_assert_num_queries: Any) -> None:
    own = staff("sara", "view_user")
    own.groups.set(Group.objects.filter(name__in=("Operators", "Support")))
    gone = User.objects.create_user("gone", is_active=False)
    gone.groups.set(Group.objects.all())
    for account in (own, gone, gustav(), listener("lea")):
        account = User.objects.get(pk=account.pk)
        django = ModelBackend().get_all_permissions(User.objects.get(pk=account.pk))
        with django_assert_num_queries(1 if account.is_active else 0):
            held = AccountBackend().get_all_permissions(account)
            assert AccountBackend().get_all_permissions(account) == held
        assert held == django
        assert AccountBackend().get_all_permissions(account, own) == set()


# --- what is changed ---


def test_an_operator_corrects_a_listeners_address_and_closes_the_account(
    sam: User, alice: User
) -> None:
    assert change(as_(sam), alice, email="right@example.com") == 302
    assert change(as_(sam), alice, is_active="") == 302
    alice.refresh_from_db()
    assert (alice.email, alice.is_active) == ("right@example.com", False)
    assert change(as_(sam), alice, is_active="on") == 302
    assert User.objects.get(pk=alice.pk).is_active


@pytest.mark.parametrize("target", ["oneself", "a listener", "an empty staff account"])
def test_rights_are_not_given_with_change_user(sam: User, alice: User, target: str) -> None:
    user = {"oneself": sam, "a listener": alice}.get(target) or staff("eve")
    group = Group.objects.create(name="chiefs")
    wanted = [str(pk) for pk in Permission.objects.values_list("pk", flat=True)[:3]]
    before = rights(user)
    given = {"is_staff": "on", "is_superuser": "on", "groups": [str(group.pk)]}

    change(as_(sam), user, **given, user_permissions=wanted)

    assert rights(user) == before


def test_a_superuser_gives_rights(olgas: Client, alice: User) -> None:
    group = Group.objects.create(name="chiefs")
    wanted = str(Permission.objects.get(codename="cancel_run").pk)
    given = {"is_staff": "on", "groups": [str(group.pk)], "user_permissions": [wanted]}
    assert change(olgas, alice, **given) == 302
    assert rights(alice) == (True, True, False, 1, 1)


def test_an_operator_changes_of_its_own_account_the_address_alone(sam: User) -> None:
    change(as_(sam), sam, email="s@example.com", username="olga", is_active="")
    sam.refresh_from_db()
    assert (sam.email, sam.username, sam.is_active) == ("s@example.com", "sam", True)


def sleeping() -> User:
    user = staff("sleeping", "cancel_run")
    User.objects.filter(pk=user.pk).update(is_active=False, is_staff=False)
    return user


def in_a_group() -> User:
    user = listener("grouped")
    user.groups.add(Group.objects.create(name="chiefs"))
    return user


def closed_superuser() -> User:
    return User.objects.create_superuser("root", is_active=False)


STRONGER = [vera, gustav, sleeping, in_a_group, closed_superuser]


@pytest.mark.parametrize("make", STRONGER)
def test_no_account_acts_on_one_that_has_rights_even_sleeping_ones(make: Any) -> None:
    strong, mighty = make(), as_(staff("mighty", *ALL))
    balance, before = strong.credits, rights(strong)
    address = f"{USERS}{strong.pk}"

    assert mighty.get(f"{address}/change/").status_code == 200
    assert mighty.post(f"{address}/change/", {"username": "x"}).status_code == 403
    assert mighty.post(f"{address}/delete/", {"post": "yes"}).status_code == 403
    assert mighty.post(f"{address}/grant-credits/", {"amount": "5", "why": "x"}).status_code == 403
    assert "Grant credits" not in mighty.get(f"{address}/change/").content.decode()
    chosen = {"_selected_action": [str(strong.pk)], "post": "yes"}
    mighty.post(USERS, chosen | {"action": "delete_selected"})
    mighty.post(USERS, chosen | {"action": "close_accounts"})

    assert rights(strong) == before
    assert User.objects.get(pk=strong.pk).credits == balance


def test_an_operator_grants_itself_nothing() -> None:
    client = as_(gustav())
    user = User.objects.get(username="gustav")
    form = {"amount": "5", "why": "x"}
    assert client.post(f"{USERS}{user.pk}/grant-credits/", form).status_code == 403


@pytest.mark.parametrize("make", [listener, vera, gustav])
def test_passwords_of_others_are_set_by_superusers_alone(olgas: Client, make: Any) -> None:
    user = make("alice") if make is listener else make()
    mighty = as_(staff("mighty", *ALL))
    new = "another-long-enough-password"
    form = {"password1": new, "password2": new, "usable_password": "true"}
    address = f"{USERS}{user.pk}/password/"

    assert mighty.get(address).status_code == mighty.post(address, form).status_code == 403
    page = f"{USERS}{user.pk}/change/?tab=access"
    assert '"../password/"' not in mighty.get(page).content.decode()
    assert '"../password/"' in olgas.get(page).content.decode()
    assert User.objects.get(pk=user.pk).check_password(PASSWORD)

    olgas.post(address, form)
    assert User.objects.get(pk=user.pk).check_password(new)


def test_an_unknown_account_has_no_password_to_set(olgas: Client, sam: User) -> None:
    assert olgas.get(f"{USERS}999999/password/").status_code == 404
    assert as_(sam).get(f"{USERS}999999/password/").status_code == 403


def test_a_new_account_is_a_listeners(sam: User) -> None:
    adder = as_(staff("adam", "view_user", "add_user", "change_user"))
    form = {"username": "eve", "password1": PASSWORD, "password2": PASSWORD}
    given = {"is_superuser": "on", "is_staff": "on", "user_permissions": ["1"]}
    assert adder.post(f"{USERS}add/", form | {"usable_password": "true"} | given).status_code == 302
    eve = User.objects.get(username="eve")
    assert rights(eve) == (True, False, False, 0, 0)
    assert as_(sam).post(f"{USERS}add/", form | {"username": "eva"}).status_code == 403


def test_groups_are_made_and_changed_by_superusers_alone(olgas: Client) -> None:
    greta = staff("greta", *ALL)
    clerks = Group.objects.create(name="clerks")
    greta.groups.add(clerks)
    wanted = str(Permission.objects.get(codename="cancel_run").pk)
    form = {"name": "clerks", "permissions": [wanted], "post": "yes"}
    for address in ("add/", f"{clerks.pk}/change/", f"{clerks.pk}/delete/"):
        assert as_(greta).post(GROUPS + address, form).status_code == 403
    as_(greta).post(GROUPS, {"action": "delete_selected", "_selected_action": [str(clerks.pk)]})
    assert not User.objects.get(pk=greta.pk).has_perm("jobs.cancel_run")
    assert as_(greta).get(f"{GROUPS}{clerks.pk}/change/").status_code == 200

    assert olgas.post(f"{GROUPS}{clerks.pk}/change/", form).status_code == 302
    assert User.objects.get(pk=greta.pk).has_perm("jobs.cancel_run")


def test_rights_that_were_taken_meanwhile_are_not_written_back(
    sam: User, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the moment in which a page reads the account and the one in which it writes."""
    real = User.full_clean

    def slow(user: User, *args: Any, **kwargs: Any) -> None:
        User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
        real(user, *args, **kwargs)

    client, form = as_(sam), form_of(as_(sam), alice)
    monkeypatch.setattr(User, "full_clean", slow)
    client.post(f"{USERS}{alice.pk}/change/", form | {"email": "new@example.com"})

    assert rights(alice)[1:3] == (True, True)
    assert User.objects.get(pk=alice.pk).email == "new@example.com"


# --- accounts that something names ---


def test_an_account_that_has_acted_is_closed_and_not_deleted(
    olga: User, olgas: Client, alice: User
) -> None:
    helper = gustav()
    as_(helper).post(f"{USERS}{alice.pk}/grant-credits/", {"amount": "5", "why": "the night"})
    address = f"{USERS}{helper.pk}/delete/"
    page = olgas.get(address).content.decode()
    assert "The name stays in the history of acts" in page
    olgas.post(address, {"post": "yes"})
    helper.refresh_from_db()
    assert not helper.is_active
    assert CreditEntry.objects.filter(by=helper, amount=5).exists()
    assert LogEntry.objects.filter(user=helper).exists()
    assert (helper.username, helper.email, helper.is_staff) == ("gustav", "", False)
    assert not helper.user_permissions.exists()
    line = LogEntry.objects.get(user=olga, object_id=str(helper.pk))
    assert line.object_repr == "gustav"
    assert line.change_message == "Closed the account for good, with 0 songs and 0 credits."


@pytest.mark.parametrize("trace", ["a line of the history", "a line of a ledger"])
@pytest.mark.parametrize("how", ["one", "a queryset"])
def test_code_cannot_delete_it_either(alice: User, trace: str, how: str) -> None:
    helper = gustav()
    if trace == "a line of a ledger":
        credits.grant(alice, 5, why="the night", by=helper)
    else:
        LogEntry.objects.log_actions(helper.pk, [alice], 2, change_message="did it")
    with pytest.raises(ProtectedError, match=r"has acted|referenced"), transaction.atomic():
        helper.delete() if how == "one" else User.objects.filter(is_staff=True).delete()
    assert User.objects.filter(pk=helper.pk).exists()
    assert LogEntry.objects.filter(user=helper).exists() or helper.entries_made.exists()


def test_a_listener_with_a_ledger_is_deleted_and_the_page_says_what_goes(
    olga: User, olgas: Client, alice: User
) -> None:
    address = f"{USERS}{alice.pk}/delete/"
    page = olgas.get(address).content.decode()
    assert "0 songs with audio, cover and words, 3 credits." in page
    assert "doesn't have permission" not in page
    answer = olgas.post(address, {"post": "yes"})
    assert "The account of alice is closed for good." in said(answer)
    assert not User.objects.filter(pk=alice.pk).exists()
    line = LogEntry.objects.get(user=olga)
    assert (line.object_repr, line.action_flag) == (f"account {alice.pk}", DELETION)
    assert line.change_message == "Closed the account for good, with 0 songs and 3 credits."


@pytest.mark.parametrize("how", ["one", "a queryset"])
@pytest.mark.parametrize("has", ["songs", "a ledger"])
def test_code_cannot_delete_a_listener_past_the_closing(how: str, has: str) -> None:
    user = listener("dora", credits_=3 if has == "a ledger" else 0)
    if has == "songs":
        a_song(user)
    with pytest.raises(ProtectedError), transaction.atomic():
        user.delete() if how == "one" else User.objects.filter(pk=user.pk).delete()
    assert user.songs.exists() or user.credit_entries.exists()


def test_no_operator_closes_the_own_account_or_the_last_superuser(
    olga: User, olgas: Client
) -> None:
    assert "is your own account" in olgas.get(f"{USERS}{olga.pk}/delete/").content.decode()
    with pytest.raises(LastSuperuser, match="olga is the only superuser"):
        close_account(olga)
    assert User.objects.get(pk=olga.pk).is_superuser


@pytest.mark.django_db(transaction=True)
def test_of_two_superusers_that_close_at_the_same_moment_one_stays(olga: User) -> None:
    oscar = User.objects.create_superuser("oscar", "oscar@example.com", PASSWORD)
    results = at_once(*(partial(close_account, user) for user in (olga, oscar)))
    assert sorted(type(result).__name__ for result in results) == ["Belongings", "LastSuperuser"]
    assert User.objects.filter(is_superuser=True, is_active=True).count() == 1


def test_an_account_that_nothing_names_is_deleted(penny: User) -> None:
    deleter = as_(staff("dave", "view_user", "delete_user"))
    assert deleter.post(f"{USERS}{penny.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=penny.pk).exists()


def test_a_closed_account_is_out_with_its_next_request(olgas: Client, alice: User) -> None:
    client = as_(alice)
    assert client.get("/songs/").status_code == 200
    olgas.post(USERS, {"action": "close_accounts", "_selected_action": [str(alice.pk)]})
    assert client.get("/songs/").status_code == 302


def test_no_account_closes_itself_nor_a_stronger_one(
    sam: User, olga: User, olgas: Client, alice: User
) -> None:
    chosen = [str(user.pk) for user in (sam, olga, alice)]
    form = {"action": "close_accounts", "_selected_action": chosen}

    response = as_(sam).post(USERS, form)
    assert "1 closed" in said(response)
    assert "Your account may not close: " in said(response)
    assert [rights(user)[0] for user in (sam, olga, alice)] == [True, True, False]

    assert "Your account may not close: olga." in said(olgas.post(USERS, form))
    assert [rights(user)[0] for user in (sam, olga, alice)] == [False, True, False]
