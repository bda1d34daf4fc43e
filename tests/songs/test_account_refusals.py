"""What an account's page refuses has its status, its sentence and the time to wait, and keeps what
was typed."""

from __future__ import annotations

import re
import time
from functools import partial
from typing import Any

import pytest
from allauth.account.managers import EmailAddressManager
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
)
from django.core import mail
from django.test import Client

from songs.models import CacheEntry, User
from tests.songs.doors import a_while_later, is_signed_in, link, sign_in, with_address
from tests.support.cast import PASSWORD
from tests.support.forms import form_of
from tests.support.functions import at_once

pytestmark = pytest.mark.django_db
INTO_IT = "/accounts/2fa/authenticate/"
AGAIN = "/accounts/reauthenticate/"
SWITCH_ON = "/accounts/2fa/totp/activate/"


def code_of(secret: str, off: int = 0) -> str:
    """What an app shows now, or so many half minutes later."""
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30 + off)))


@pytest.fixture
def sure(client: Client, alice: User) -> Client:
    """Alice's browser, in which she has just typed her password once more."""
    with_address(alice)
    sign_in(client)
    client.post(AGAIN, {"password": PASSWORD})
    return client


@pytest.fixture
def secret(alice: User) -> str:
    made = str(generate_totp_secret())
    TOTP.activate(alice, made)
    return made


def is_told(answer: Any, *words: str, at_most: int) -> bool:
    page = answer.content.decode()
    waits = 0 < int(answer["Retry-After"]) <= at_most
    return answer.status_code == 429 and waits and all(word in page for word in words)


# --- forms that are refused ---


@pytest.mark.parametrize(
    ("path", "form", "kept"),
    [
        ("email/", {"email": "new@example", "action_add": "1"}, "new@example"),
        ("email/", {"email": "alice@example.com", "action_add": "1"}, "alice@example.com"),
        ("email/", {"email": "", "action_add": "1"}, ""),
        ("password/change/", {"oldpassword": "wrong"}, ""),
        ("reauthenticate/", {"password": "wrong"}, ""),
        ("2fa/totp/activate/", {"code": "000000"}, "000000"),
        ("2fa/webauthn/add/", {"name": "My key", "credential": "{}"}, "My key"),
    ],
)
def test_a_form_that_is_refused_is_a_422_and_keeps_what_was_typed(
    sure: Client, path: str, form: dict[str, str], kept: str
) -> None:
    if "totp" in path:
        sure.get(SWITCH_ON)
    answer = sure.post(f"/accounts/{path}", form)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.content.decode()
    assert f'value="{kept}"' in answer.content.decode() or not kept


@pytest.mark.parametrize("given", ["nonsense", "", "a@b", "😀@example.com"])
def test_a_lost_password_needs_an_address(client: Client, db: None, given: str) -> None:
    answer = client.post("/accounts/password/reset/", {"email": given})
    assert answer.status_code == 422
    assert 'class="errorlist"' in answer.content.decode()
    assert f'value="{given}"' in answer.content.decode() or not given
    assert mail.outbox == []


def address_of(length: int) -> str:
    """A valid address of so many characters."""
    labels = ".".join(["b" * 60] * 3) + ".example"
    return "a" * (length - len(labels) - 1) + "@" + labels


GROWS = address_of(244)[:-8] + "İİİİİİİİİİ.example"  # in small letters it has 264 characters


@pytest.mark.parametrize("given", [address_of(255), address_of(262), address_of(320), GROWS])
def test_an_address_that_is_longer_than_its_column_is_refused_with_both_lengths(
    sure: Client, alice: User, given: str
) -> None:
    doors = {
        "/accounts/email/": (sure, {"action_add": "1"}),
        "/accounts/password/reset/": (Client(), {}),
        "/accounts/signup/": (
            Client(),
            {"username": "dora", "password1": PASSWORD, "password2": PASSWORD},
        ),
        "/accounts/login/": (Client(), {"password": PASSWORD}),
    }
    for path, (browser, more) in doors.items():
        name = "login" if "login" in path else "email"
        answer = browser.post(path, {name: given, **more})
        page = answer.content.decode()
        assert answer.status_code == 422, path
        told = f"That is {len(given.lower())} characters, and an e-mail address has at most 254."
        assert told in page, path
        assert f'value="{given}"' in page, path
    assert mail.outbox == []
    assert not User.objects.filter(username="dora").exists()


def test_an_address_of_254_characters_is_added_whole_and_no_browser_cuts_one(
    sure: Client, client: Client
) -> None:
    for path in ("email/", "password/reset/", "signup/"):
        page = (
            Client().get(f"/accounts/{path}") if path != "email/" else sure.get("/accounts/email/")
        )
        [field] = re.findall(r'<input[^>]*name="email"[^>]*>', page.content.decode())
        assert "maxlength" not in field
    sure.post("/accounts/email/", {"email": address_of(254), "action_add": "1"})
    assert mail.outbox[-1].to == [address_of(254)]


@pytest.mark.parametrize("given", [address_of(255), GROWS])
def test_an_operator_is_told_of_an_address_that_is_too_long(
    olga: User, alice: User, given: str
) -> None:
    operator = Client()
    operator.force_login(olga)
    path = f"/admin/songs/user/{alice.pk}/change/?tab=access"
    form = form_of(operator.get(path).content.decode(), "username").fields
    answer = operator.post(path, {**form, "email": given})
    assert answer.status_code == 200
    assert "an e-mail address has at most 254" in answer.content.decode()
    assert given in answer.content.decode()


def test_a_new_password_that_is_refused_is_a_422(client: Client, alice: User) -> None:
    client.post("/accounts/password/reset/", {"email": alice.email})
    form = client.get(link(), follow=True).request["PATH_INFO"]
    answer = client.post(form, {"password1": "short", "password2": "other"})
    assert answer.status_code == 422


def test_a_link_that_was_used_is_no_form_that_is_refused(client: Client, alice: User) -> None:
    client.post("/accounts/password/reset/", {"email": alice.email})
    form = client.get(link(), follow=True).request["PATH_INFO"]
    new = {"password1": "another-long-enough-one", "password2": "another-long-enough-one"}
    assert client.post(form, new).status_code == 302
    assert "no longer good" in client.post(form, new).content.decode()


def test_a_wrong_code_is_a_422(client: Client, alice: User, secret: str) -> None:
    sign_in(client)
    for form in ({"code": "000000"}, {"code": ""}, {"credential": "{}"}):
        assert client.post(INTO_IT, form).status_code == 422


# --- limits ---


def test_too_many_wrong_codes_are_a_429_with_the_time_to_wait(
    client: Client, alice: User, secret: str
) -> None:
    sign_in(client)
    for _ in range(5):
        client.post(INTO_IT, {"code": "000000"})
    answer = client.post(INTO_IT, {"code": code_of(secret)})
    assert is_told(answer, "Too many wrong codes. Try again in 5 minutes.", at_most=300)
    assert not is_signed_in(client)
    a_while_later()
    assert client.post(INTO_IT, {"code": code_of(secret)}).status_code == 302


def test_too_many_wrong_codes_switch_no_app_on(sure: Client) -> None:
    key = sure.get(SWITCH_ON).context["form"].secret
    for _ in range(5):
        sure.post(SWITCH_ON, {"code": "000000"})
    answer = sure.post(SWITCH_ON, {"code": code_of(key)})
    assert is_told(answer, "Too many wrong codes. Try again in 5 minutes.", at_most=300)


def test_too_many_wrong_codes_confirm_nothing(client: Client, alice: User, secret: str) -> None:
    client.force_login(alice)
    for _ in range(5):
        client.post("/accounts/2fa/reauthenticate/", {"code": "000000"})
    answer = client.post("/accounts/2fa/reauthenticate/", {"code": code_of(secret)})
    assert is_told(answer, "Too many wrong codes.", at_most=300)


@pytest.mark.parametrize(
    ("path", "times"),
    [("email/", 10), ("password/change/", 5), ("reauthenticate/", 10), ("2fa/webauthn/login/", 10)],
)
def test_a_page_that_is_asked_for_too_often_says_when_to_come_again(
    alices: Client, path: str, times: int
) -> None:
    client = Client() if "login" in path else alices
    for _ in range(times):
        assert client.post(f"/accounts/{path}", {"email": "x", "action_add": "1"}).status_code < 429
    answer = client.post(f"/accounts/{path}", {})
    assert is_told(answer, "That was too often.", "Try again in 1 minute.", at_most=60)


def test_a_lost_password_that_is_asked_for_too_often_keeps_the_address(
    client: Client, alice: User
) -> None:
    for _ in range(5):
        assert client.post("/accounts/password/reset/", {"email": alice.email}).status_code == 302
    answer = client.post("/accounts/password/reset/", {"email": alice.email})
    assert is_told(answer, "Try again in 60 minutes.", f'value="{alice.email}"', at_most=3600)
    assert len(mail.outbox) == 5


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("signup/", {"username": "dora", "email": "dora@example"}),
        ("login/", {"login": "dora"}),
        ("email/", {"email": "dora@example", "action_add": "1"}),
    ],
)
def test_a_form_that_is_sent_too_often_keeps_what_was_typed(
    alices: Client, path: str, form: dict[str, str], settings: Any
) -> None:
    settings.ACCOUNT_RATE_LIMITS = dict.fromkeys(["signup", "login", "manage_email"], "1/m/ip")
    client = alices if "email" in path else Client()
    assert client.post(f"/accounts/{path}", form).status_code == 422
    answer = client.post(f"/accounts/{path}", form)
    values = [f'value="{value}"' for name, value in form.items() if name != "action_add"]
    assert is_told(answer, "That was too often.", *values, at_most=60)


# --- mail ---


def asks_for(client: Client, address: str) -> Any:
    return client.post("/accounts/email/", {"email": address, "action_add": "1"})


def asks_again(client: Client, address: str) -> Any:
    return client.post("/accounts/email/", {"email": address, "action_send": "1"})


def test_a_mail_that_is_asked_for_again_within_three_minutes_says_when_it_comes(
    sure: Client,
) -> None:
    asks_for(sure, "new@example.com")
    sent = len(mail.outbox)
    answer = asks_again(sure, "new@example.com")
    said = "A mail went to this address a moment ago. Look for it, or send another one in 3 minutes"
    assert is_told(answer, said, at_most=180)
    assert "errorlist" not in answer.content.decode()  # the other form was not sent
    assert len(mail.outbox) == sent
    a_while_later()
    assert asks_again(sure, "new@example.com").status_code == 302
    assert len(mail.outbox) == sent + 1


def test_no_address_takes_the_place_of_another_without_a_mail(sure: Client) -> None:
    """The link in the first mail to an address is for its first row alone."""
    asks_for(sure, "one@example.com")
    asks_for(sure, "two@example.com")
    answer = asks_for(sure, "one@example.com")
    assert is_told(answer, "A mail went to this address a moment ago.", at_most=180)
    assert 'value="one@example.com"' in answer.content.decode()
    assert EmailAddress.objects.get(verified=False).email == "two@example.com"


def test_an_account_sends_mails_to_some_strangers_alone(sure: Client) -> None:
    sent = len(mail.outbox)
    for number in range(20):
        assert asks_for(sure, f"stranger{number}@example.com").status_code == 302
        CacheEntry.objects.filter(key__contains=":10/60").delete()  # a minute has passed
    assert is_told(asks_for(sure, "another@example.com"), "That was too often.", at_most=3600)
    assert len(mail.outbox) == sent + 20


# --- two at once ---


def twins(client: Client) -> list[Client]:
    """Some tabs of one browser."""
    tabs = [Client() for _ in range(4)]
    for tab in tabs:
        tab.cookies = client.cookies.copy()
    return tabs


@pytest.mark.django_db(transaction=True)
def test_an_address_that_is_sent_twice_at_once_is_added_once(sure: Client) -> None:
    for number in range(3):
        address = f"new-{number}@example.com"
        answers = at_once(*(partial(asks_for, tab, address) for tab in twins(sure)))
        assert {answer.status_code for answer in answers} <= {302, 303, 422, 429}
        assert EmailAddress.objects.filter(email=address).count() == 1


@pytest.mark.django_db(transaction=True)
def test_an_app_that_is_switched_on_twice_at_once_is_one(sure: Client) -> None:
    """With a code each, of this half minute and of those beside it."""
    key = sure.get(SWITCH_ON).context["form"].secret
    sends = [
        partial(tab.post, SWITCH_ON, {"code": code_of(key, off)})
        for tab, off in zip(twins(sure), (-1, 0, 1), strict=False)
    ]
    answers = at_once(*sends)
    assert {answer.status_code for answer in answers} <= {302, 303, 422}
    assert sure.get("/accounts/2fa/").status_code == 200
    assert Authenticator.objects.filter(type="totp").count() == 1


def test_the_second_of_two_forms_at_once_is_told_so(
    sure: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Both have found that there is no such address yet."""
    make = EmailAddress.objects.create

    def create(**values: Any) -> EmailAddress:
        make(**values)
        return make(**values)

    monkeypatch.setattr(EmailAddressManager, "create", lambda self, **values: create(**values))
    answer = asks_for(sure, "new@example.com")
    assert (answer.status_code, answer["Location"]) == (303, "/accounts/email/")
    assert "This form was sent twice at once" in sure.get("/accounts/email/").content.decode()
    assert EmailAddress.objects.count() == 1  # what was half done is undone
    assert "Two forms at once: duplicate key value" in caplog.text
    assert "new@example.com" not in caplog.text


# --- a code opens once ---


def test_the_code_that_switched_the_app_on_signs_no_one_in(sure: Client, alice: User) -> None:
    key = sure.get(SWITCH_ON).context["form"].secret
    code = code_of(key)
    assert sure.post(SWITCH_ON, {"code": code}).status_code == 302
    elsewhere = Client()
    sign_in(elsewhere)
    answer = elsewhere.post(INTO_IT, {"code": code})
    assert "This code is not right, or was used before." in answer.content.decode()
    assert not is_signed_in(elsewhere)


# --- names of passkeys ---


@pytest.mark.parametrize("name", ["k" * 101, "k" * 5_000])
def test_a_passkeys_name_that_is_too_long_is_refused_and_kept(
    sure: Client, alice: User, name: str
) -> None:
    sure.get("/accounts/2fa/webauthn/add/")
    added = sure.post("/accounts/2fa/webauthn/add/", {"name": name, "credential": "{}"})
    key = Authenticator.objects.create(user=alice, type="webauthn", data={"name": "Mine"})
    renamed = sure.post(f"/accounts/2fa/webauthn/keys/{key.pk}/edit/", {"name": name})
    for answer in (added, renamed):
        page = answer.content.decode()
        assert answer.status_code == 422
        assert f"That name has {len(name)} characters, and 100 are allowed." in page
        assert f'value="{name}"' in page
    key.refresh_from_db()
    assert key.data["name"] == "Mine"


def test_a_passkey_is_called_by_a_name_that_shows_something(sure: Client, alice: User) -> None:
    key = Authenticator.objects.create(user=alice, type="webauthn", data={"name": "Mine"})
    where = f"/accounts/2fa/webauthn/keys/{key.pk}/edit/"
    assert "A passkey needs a name" in sure.post(where, {"name": "\u3164"}).content.decode()
    assert sure.post(where, {"name": "k" * 99 + "\u200d"}).status_code == 302
    assert sure.post(where, {"name": "k" * 100}).status_code == 302
    key.refresh_from_db()
    assert key.data["name"] == "k" * 100
