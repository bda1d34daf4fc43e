"""Wrong passwords are counted where they come from, and no stranger can keep an account out."""

from __future__ import annotations

import re
import threading
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import connection
from django.db.models import F
from django.test import Client

from songs import cache
from songs.accounts import attempts, known_devices
from songs.models import CacheEntry, User
from tests.songs.doors import is_signed_in, link, sign_in
from tests.support.cast import PASSWORD

pytestmark = pytest.mark.django_db
NEW = "another-long-enough-one"
ELSEWHERE = "198.51.100.7"


def from_(address: str, **more: Any) -> Client:
    return Client(REMOTE_ADDR=address, **more)


def fail(
    name: str = "alice", times: int = attempts.BY_ACCOUNT, client: Client | None = None
) -> Any:
    client = client or Client()
    return [sign_in(client, name, "wrong") for _ in range(times)][-1]


def pass_time(by: timedelta) -> None:
    CacheEntry.objects.update(expires_at=F("expires_at") - by)


@pytest.mark.parametrize("door", ["/accounts/login/", "/admin/login/"])
def test_too_many_wrong_passwords_pause_both_doors(client: Client, olga: User, door: str) -> None:
    assert fail("OLGA").status_code == 422
    door = client.get(door, follow=True).request["PATH_INFO"]
    answer = client.post(door, {"login": "olga", "password": PASSWORD})
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 15 * 60
    assert "Too many wrong passwords. Try again in 15 minutes" in answer.content.decode()
    assert 'value="olga"' in answer.content.decode()
    assert not is_signed_in(client)


def test_a_stranger_elsewhere_locks_no_account_out(client: Client, alice: User) -> None:
    for address in ("203.0.113.1", "203.0.113.2", "2001:db8::1"):
        fail(times=attempts.BY_ACCOUNT + 1, client=from_(address))
    assert sign_in(client).status_code == 302


def test_a_stranger_on_the_same_network_does_not_either(client: Client, alice: User) -> None:
    """As behind a proxy that hides all addresses: the listener's own browser is let try."""
    sign_in(client)
    client.post("/accounts/logout/")
    assert fail(times=attempts.BY_ACCOUNT + 1).status_code == 429
    assert sign_in(client).status_code == 302


def test_a_known_device_has_no_more_tries_than_others(client: Client, alice: User) -> None:
    sign_in(client)
    client.post("/accounts/logout/")
    fail(client=client)
    assert sign_in(client).status_code == 429


def test_a_device_is_known_to_the_account_alone_that_signed_in_on_it(
    client: Client, alice: User, bob: User
) -> None:
    sign_in(client, "bob")
    client.post("/accounts/logout/")
    fail()
    assert sign_in(client).status_code == 429


@pytest.mark.parametrize("cookie", ["", "nonsense", "W10:1x:forged", "W1sxLCAyXV0:1x:forged"])
def test_a_forged_cookie_makes_no_device_known(client: Client, alice: User, cookie: str) -> None:
    fail()
    client.cookies[known_devices.COOKIE] = cookie
    assert sign_in(client).status_code == 429


def test_a_new_password_by_mail_opens_the_account_in_a_pause(client: Client, alice: User) -> None:
    """The sentence of the pause says so."""
    fail()
    client.post("/accounts/password/reset/", {"email": alice.email})
    form = client.get(link(), follow=True).request["PATH_INFO"]
    client.post(form, {"password1": NEW, "password2": NEW})
    assert is_signed_in(client)
    client.post("/accounts/logout/")
    fail()
    assert sign_in(client, password=NEW).status_code == 302


def test_a_changed_password_makes_all_devices_unknown(client: Client, alice: User) -> None:
    sign_in(client)
    client.post("/accounts/logout/")
    alice.set_password(NEW)
    alice.save()
    fail()
    assert sign_in(client, password=NEW).status_code == 429


def test_a_device_remembers_some_accounts(client: Client) -> None:
    for number in range(known_devices.MAX_ACCOUNTS + 2):
        User.objects.create_user(f"listener-{number}", password=PASSWORD)
        sign_in(client, f"listener-{number}")
        client.post("/accounts/logout/")
    request = client.get("/").wsgi_request
    newest = User.objects.order_by("-pk").values_list("pk", flat=True)
    kept = [device.account for device in known_devices.devices(request)]
    assert kept == list(newest[: known_devices.MAX_ACCOUNTS])
    cookie = client.cookies[known_devices.COOKIE]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")


def test_the_pause_is_for_one_account_from_one_network(alice: User, bob: User) -> None:
    fail(client=from_("2001:db8:1:2::1"))
    assert sign_in(from_("2001:db8:1:2:3::9")).status_code == 429
    assert sign_in(from_("2001:db8:1:2:3::9"), "bob").status_code == 302
    assert sign_in(from_("2001:db8:1:3::1")).status_code == 302


def test_an_ipv4_address_in_an_ipv6_one_is_itself(alice: User) -> None:
    fail(client=from_("203.0.113.1"))
    assert sign_in(from_("::ffff:203.0.113.1")).status_code == 429
    assert sign_in(from_("::ffff:203.0.113.2")).status_code == 302


def test_a_proxy_on_a_unix_socket_is_a_network_too(alice: User) -> None:
    assert sign_in(from_("")).status_code == 302


def test_a_network_that_tries_many_names_is_paused(alice: User) -> None:
    for number in range(attempts.BY_NETWORK):
        assert sign_in(from_(ELSEWHERE), f"name-{number}", "wrong").status_code == 422
    assert sign_in(from_(ELSEWHERE)).status_code == 429
    assert sign_in(from_("198.51.100.8")).status_code == 302


def test_names_are_counted_as_the_database_compares_them(client: Client) -> None:
    """Python takes “boß” for “boss”; they are two accounts. A right password for one's own account
    gives no tries back for another."""
    for name in ("boss", "boß"):
        User.objects.create_user(name, password=PASSWORD)
    for _ in range(3):
        fail("boss", times=4)
        sign_in(Client(), "boß")
    assert sign_in(client, "boss").status_code == 429
    assert sign_in(client, "boß").status_code == 302


def test_a_name_and_its_address_are_counted_together(client: Client, alice: User) -> None:
    fail("alice", times=5)
    fail("Alice@Example.com", times=5)
    assert sign_in(client).status_code == 429


def test_a_name_without_an_account_is_paused_like_one_with(client: Client) -> None:
    assert fail("nobody").status_code == 422
    assert sign_in(client, "NOBODY").status_code == 429


def test_the_pause_ends(client: Client, alice: User) -> None:
    fail()
    pass_time(attempts.WINDOW - timedelta(minutes=3))
    assert "Try again in 3 minutes" in sign_in(client).content.decode()
    pass_time(timedelta(minutes=3, seconds=1))
    assert sign_in(client).status_code == 302


def test_a_right_password_costs_no_try(alice: User) -> None:
    for _ in range(attempts.BY_ACCOUNT + 1):
        assert sign_in(Client()).status_code == 302


def test_neither_name_nor_network_nor_password_is_kept(alice: User) -> None:
    sign_in(from_(ELSEWHERE), "alice", "hunter2-hunter2")
    told = str(list(CacheEntry.objects.filter(key__startswith="attempts:").values()))
    assert CacheEntry.objects.filter(key__startswith="attempts:").count() == 2
    assert not re.search(rf"hunter2|alice|{ELSEWHERE}", told)


@pytest.mark.django_db(transaction=True)
def test_attempts_at_once_are_counted_like_attempts_in_turn() -> None:
    """Each is counted before its password is looked at."""
    seen: list[int] = []

    def count() -> None:
        seen.append(cache.count("attempts:at-once", attempts.WINDOW).number)
        connection.close()

    threads = [threading.Thread(target=count) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(1, 21))


def test_wrong_passwords_for_what_is_protected_count_too(client: Client, alice: User) -> None:
    sign_in(client)
    for _ in range(attempts.BY_ACCOUNT):
        client.post("/accounts/reauthenticate/", {"password": "wrong"})
    answer = client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert (answer.status_code, "That was too often" in answer.content.decode()) == (429, True)


@pytest.mark.parametrize(
    "name", ["alice", "alice@example.com", "ALICE@example.com", "nobody", "nobody@example.com"]
)
def test_a_wrong_password_is_checked_once_whether_the_name_has_an_account_or_not(
    client: Client, alice: User, monkeypatch: Any, name: str
) -> None:
    """To check one takes a third of a second: the time would tell which addresses have accounts."""
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    checked: list[str] = []
    encode = MD5PasswordHasher.encode

    def counted(hasher: MD5PasswordHasher, password: str, salt: str) -> str:
        checked.append(password)
        return encode(hasher, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    assert sign_in(client, name, "wrong").status_code == 422
    assert checked == ["wrong"]
