"""The second factor: offered to listeners, required of staff in production."""

from __future__ import annotations

import time
from io import StringIO
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
)
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client

from songs.models import User
from tests.songs.doors import a_while_later, is_signed_in, link, sign_in, with_address
from tests.support.cast import PASSWORD, staff

pytestmark = pytest.mark.django_db
INTO_IT = "/accounts/2fa/authenticate/"


def code_of(secret: str) -> str:
    """What an app shows now."""
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))


@pytest.fixture
def secret() -> str:
    return str(generate_totp_secret())


@pytest.fixture
def protected(alice: User, secret: str) -> User:
    TOTP.activate(alice, secret)
    return alice


def test_a_listener_sets_one_up(client: Client, alice: User) -> None:
    with_address(alice)
    sign_in(client)
    asked = client.get("/accounts/2fa/totp/activate/")
    client.post(asked["Location"], {"password": PASSWORD})
    page = client.get("/accounts/2fa/totp/activate/")
    secret = page.context["form"].secret
    assert "data:image/svg+xml" in page.content.decode()
    shown = client.post("/accounts/2fa/totp/activate/", {"code": code_of(secret)}, follow=True)
    codes = shown.context["unused_codes"]
    assert len(codes) == 10
    assert all(code in shown.content.decode() for code in codes)
    assert "I have kept them" in shown.content.decode()
    again = client.get("/accounts/2fa/recovery-codes/").content.decode()
    assert codes[0] not in again
    assert "I have kept them" not in again
    assert "10 of 10 codes are left" in again


def test_the_password_alone_opens_nothing(client: Client, protected: User, secret: str) -> None:
    assert sign_in(client)["Location"].startswith(INTO_IT)
    assert not is_signed_in(client)
    wrong = client.post(INTO_IT, {"code": "000000"})
    assert "This code is not right, or was used before." in wrong.content.decode()
    assert client.post(INTO_IT, {"code": code_of(secret)})["Location"] == "/songs/"
    assert is_signed_in(client)


def test_a_code_opens_once(protected: User, secret: str) -> None:
    first, second = Client(), Client()
    for client in (first, second):
        sign_in(client)
        client.post(INTO_IT, {"code": code_of(secret)})
    assert (is_signed_in(first), is_signed_in(second)) == (True, False)


def test_codes_cannot_be_guessed(protected: User, client: Client, secret: str) -> None:
    sign_in(client)
    for _ in range(5):
        client.post(INTO_IT, {"code": "000000"})
    client.post(INTO_IT, {"code": code_of(secret)})
    assert not is_signed_in(client)
    a_while_later()
    client.post(INTO_IT, {"code": code_of(secret)})
    assert is_signed_in(client)


def test_a_recovery_code_opens_once(protected: User) -> None:
    code = RecoveryCodes.activate(protected).get_unused_codes()[0]
    for is_good in (True, False):
        client = Client()
        sign_in(client)
        client.post(INTO_IT, {"code": code})
        assert is_signed_in(client) is is_good


def test_a_new_password_by_mail_does_not_go_round_it(protected: User, client: Client) -> None:
    client.post("/accounts/password/reset/", {"email": protected.email})
    form = client.get(link(), follow=True).request["PATH_INFO"]
    new = {"password1": "another-long-enough-one", "password2": "another-long-enough-one"}
    assert client.post(form, new)["Location"].startswith(INTO_IT)
    assert not is_signed_in(client)


@pytest.mark.parametrize(("is_confirmed", "mails"), [(True, 1), (False, 0)])
def test_an_account_with_one_gets_a_new_password_by_a_confirmed_address_alone(
    protected: User, client: Client, is_confirmed: bool, mails: int
) -> None:
    """A stranger may have made it with a listener's address. That listener would take it over, and
    the stranger's passkey would go on opening it."""
    with_address(protected, verified=is_confirmed)
    client.post("/accounts/password/reset/", {"email": protected.email})
    links = [sent for sent in mail.outbox if "/password/reset/key/" in sent.body]
    assert len(links) == mails


def test_no_secret_is_readable_in_its_row(protected: User, secret: str) -> None:
    RecoveryCodes.activate(protected)
    kept = str(list(Authenticator.objects.values_list("data")))
    assert secret not in kept
    assert "gAAAA" in kept


def test_a_changed_key_of_the_site_keeps_it(
    protected: User, client: Client, secret: str, settings
) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [settings.SECRET_KEY]
    sign_in(client)
    client.post(INTO_IT, {"code": code_of(secret)})
    assert is_signed_in(client)


def test_without_the_old_key_no_code_is_right_and_the_log_says_why(
    protected: User, client: Client, secret: str, settings, caplog
) -> None:
    settings.SECRET_KEY = "another"
    sign_in(client)
    assert client.post(INTO_IT, {"code": code_of(secret)}).status_code == 422
    assert not is_signed_in(client)
    assert "add the old key to SECRET_KEY_FALLBACKS" in caplog.text


# --- staff ---


@pytest.fixture
def in_production(settings) -> None:
    settings.STAFF_SECOND_FACTOR = True


def member() -> User:
    return staff("vera", "view_run")


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.usefixtures("in_production")
@pytest.mark.parametrize("page", ["/admin/", "/admin/jobs/run/", "/admin/nowhere/"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_staff_without_one_is_led_to_it(page: str, method: str) -> None:
    answer = getattr(browser(member()), method)(page, follow=True)
    assert answer.redirect_chain == [("/accounts/2fa/", 302)]
    assert "The panel opens to accounts with a second factor." in answer.content.decode()


@pytest.mark.usefixtures("in_production")
def test_a_fragment_of_the_panel_sends_the_page_there() -> None:
    answer = browser(member()).get("/admin/jobs/run/", headers={"HX-Request": "true"})
    assert (answer.status_code, answer["HX-Redirect"]) == (204, "/accounts/2fa/")


@pytest.mark.usefixtures("in_production")
def test_the_panel_opens_to_staff_with_one(secret: str) -> None:
    vera = member()
    client = browser(vera)
    TOTP.activate(vera, secret)
    assert client.get("/admin/jobs/run/").status_code == 200
    Authenticator.objects.all().delete()
    assert client.get("/admin/jobs/run/").status_code == 302


@pytest.mark.usefixtures("in_production")
def test_recovery_codes_alone_are_no_second_factor() -> None:
    vera = member()
    Authenticator.objects.create(user=vera, type="recovery_codes", data={})
    assert browser(vera).get("/admin/").status_code == 302


@pytest.mark.usefixtures("in_production")
def test_staff_may_leave_the_panel_and_listen() -> None:
    client = browser(member())
    assert client.get("/songs/").status_code == 200
    assert client.post("/admin/logout/").status_code == 302
    assert not is_signed_in(client)


def test_development_does_not_ask() -> None:
    assert browser(member()).get("/admin/jobs/run/").status_code == 200


def test_the_panel_has_the_sites_door(client: Client, olga: User) -> None:
    first = client.get("/admin/jobs/run/", follow=True)
    assert first.request["PATH_INFO"] == "/accounts/login/"
    answer = sign_in(client, "olga", next=first.context["request"].GET["next"])
    assert client.get(answer["Location"], follow=True).request["PATH_INFO"] == "/admin/jobs/run/"
    assert client.get("/admin/password_change/")["Location"] == "/accounts/password/change/"


def test_a_listener_is_refused_at_the_panels_door(alices: Client) -> None:
    answer: Any = alices.get("/admin/", follow=True)
    assert answer.status_code == 403


def test_a_second_factor_that_is_lost_is_removed_on_the_server(protected: User) -> None:
    RecoveryCodes.activate(protected)
    told = StringIO()
    call_command("remove_second_factor", "alice", stdout=told)
    assert "2 removed" in told.getvalue()
    assert not Authenticator.objects.exists()
    with pytest.raises(CommandError, match="There is no account “Alice”"):
        call_command("remove_second_factor", "Alice")
