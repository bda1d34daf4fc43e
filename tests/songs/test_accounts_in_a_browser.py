"""In a real browser: from signing up to a second factor and a lost password; passkeys; and how each
page of an account looks, light and dark, wide and narrow."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
)
from django.conf import settings
from django.core import mail
from django.test import Client
from playwright.sync_api import Browser, Page, expect

from songs.models import User
from tests.songs.doors import a_while_later, link, sign_in, with_address
from tests.support import browser as chromium
from tests.support import cast
from tests.support.cast import PASSWORD

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        not chromium.CHROMIUM, reason="NO BROWSER TESTED: Chromium is not installed"
    ),
]
NEW = "another-long-enough-one"


@pytest.fixture
def looked(browser: Browser, live_server) -> Iterator[chromium.Looked]:
    nobody = {"name": "theme", "value": "auto"}
    with chromium.opened(browser, live_server.url, nobody) as looked:
        yield looked
        # A form that came back is noted by the browser; it is what a test is about.
        looked.complaints[:] = [said for said in looked.complaints if "status of 422" not in said]


@pytest.fixture
def page(looked: chromium.Looked) -> Page:
    return looked.page


def fill(page: Page, **fields: str) -> None:
    for name, value in fields.items():
        page.locator(f"main [name={name}]").fill(value)
    page.locator("main form button:not([type=button])").first.click()


def headed(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def code_of(secret: str, later: int = 0) -> str:
    """What an app shows now, or so many half minutes later."""
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30 + later)))


def test_from_signing_up_to_a_lost_password(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="Make your first song").click()
    fill(page, username="dora", email="dora@example.com", password1=PASSWORD, password2=PASSWORD)
    expect(page.get_by_text("A mail is on its way to dora@example.com.")).to_be_visible()
    expect(page.get_by_text("10 credits wait for you")).to_be_visible()

    page.goto(link())
    page.get_by_role("button", name="Yes, confirm it").click()
    expect(page.get_by_text("+10 credits: welcome to MelodyMaker.")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()

    headed(page, "Sign in")
    fill(page, login="dora@example.com", password=PASSWORD)
    page.get_by_role("link", name="dora").click()
    secret = sets_up_an_app(page)
    page.get_by_role("button", name="Sign out").click()

    fill(page, login="dora", password=PASSWORD)
    headed(page, "One more step")
    fill(page, code=code_of(secret, later=1))
    headed(page, "My songs")
    page.get_by_role("button", name="Sign out").click()

    sets_a_new_password(page)
    headed(page, "One more step")
    page.get_by_role("button", name="Cancel").click()
    fill(page, login="dora", password=NEW)
    headed(page, "One more step")


def sets_up_an_app(page: Page) -> str:
    page.get_by_role("link", name="Set up").click()
    page.get_by_role("link", name="Set it up").click()
    headed(page, "Confirm that it is you")
    fill(page, password=PASSWORD)
    headed(page, "Set up an app with codes")
    page.get_by_text("Type a key instead").click()
    secret = page.locator("code.key").inner_text()
    fill(page, code=code_of(secret))
    headed(page, "Recovery codes")
    expect(page.locator(".codes li")).to_have_count(10)
    assert "A second factor was set up" in [sent.subject for sent in mail.outbox]
    return secret


def sets_a_new_password(page: Page) -> None:
    page.get_by_role("link", name="Forgot your password?").click()
    a_while_later()
    fill(page, email="dora@example.com")
    headed(page, "Look into your mail")
    page.goto(link())
    headed(page, "Set a new password")
    fill(page, password1=NEW, password2=NEW)


def test_a_passkey_signs_in_alone(page: Page, live_server) -> None:
    """On a device of the browser's own, as a laptop has one."""
    with_address(cast.alice())
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True}
    options |= {"hasUserVerification": True, "isUserVerified": True}
    options["automaticPresenceSimulation"] = True
    device.send("WebAuthn.addVirtualAuthenticator", {"options": options})

    page.goto("/accounts/login/?next=/accounts/2fa/")
    fill(page, login="alice", password=PASSWORD)
    page.get_by_role("link", name="Add one").click()
    fill(page, password=PASSWORD)
    headed(page, "Add a passkey")
    page.get_by_label("Sign in with it alone").check()
    page.get_by_role("button", name="Add it").click()
    headed(page, "Recovery codes")
    assert Authenticator.objects.filter(type="webauthn").count() == 1
    page.get_by_role("button", name="Sign out").click()

    page.get_by_role("button", name="Sign in with a passkey").click()
    headed(page, "My songs")
    page.get_by_role("button", name="Sign out").click()
    fill(page, login="alice", password=PASSWORD)
    page.get_by_role("button", name="Use a passkey").click()
    headed(page, "My songs")


def test_a_passkey_that_is_not_there_is_said_in_words(page: Page) -> None:
    page.goto("/accounts/login/")
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "usb", "automaticPresenceSimulation": True}
    device.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("passkey")


def test_sign_in_needs_no_javascript(browser: Browser, live_server) -> None:
    cast.alice()
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/accounts/login/")
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_hidden()
    fill(page, login="alice", password=PASSWORD)
    headed(page, "My songs")
    context.close()


# --- how each page looks ---

STRANGERS = {
    "login": "/accounts/login/",
    "signup": "/accounts/signup/",
    "lost": "/accounts/password/reset/",
    "mail": "/accounts/password/reset/done/",
    "sent": "/accounts/confirm-email/",
    "no-link": "/accounts/confirm-email/x/",
    "no-reset": "/accounts/password/reset/key/1-x/",
    "new": "/accounts/password/reset/key/done/",
    "closed": "/accounts/inactive/",
}
OWN = {
    "account": "/accounts/",
    "email": "/accounts/email/",
    "password": "/accounts/password/change/",
    "sessions": "/accounts/sessions/",
    "credits": "/accounts/credits/",
    "factor": "/accounts/2fa/",
    "app": "/accounts/2fa/totp/activate/",
    "passkey": "/accounts/2fa/webauthn/add/",
    "passkeys": "/accounts/2fa/webauthn/",
    "sign-out": "/accounts/logout/",
    "again": "/accounts/reauthenticate/",
}
PROTECTED = {
    "factor-on": "/accounts/2fa/",
    "app-off": "/accounts/2fa/totp/deactivate/",
    "codes": "/accounts/2fa/recovery-codes/generate/",
    "again-code": "/accounts/2fa/reauthenticate/",
}


def test_every_page_of_an_account_can_be_read(browser: Browser, live_server) -> None:
    nobody = {"name": "theme", "value": "auto"}
    wrong: list[str] = []
    with chromium.opened(browser, live_server.url, nobody) as looked:
        for name, path in STRANGERS.items():
            looked.page.goto(path)
            wrong += look(looked, name)
        alice = cast.alice()
        with_address(alice, verified=False)
        enters(looked.page, live_server.url, alice)
        for name, path in OWN.items():
            looked.page.goto(path)
            wrong += look(looked, name)
        looked.page.goto(OWN["email"])
        for _ in range(2):
            looked.page.get_by_role("button", name="Send the mail again").click()
        expect(looked.page.get_by_role("alert")).to_contain_text("A mail went to this address")
        wrong += look(looked, "mail-again")
        TOTP.activate(alice, generate_totp_secret())
        for name, path in PROTECTED.items():
            looked.page.goto(path)
            wrong += look(looked, name)
        fill(looked.page, code="000000")
        wrong += look(looked, "wrong-code")
        looked.complaints[:] = [  # the browser notes the statuses, which are what they should be
            said for said in looked.complaints if not re.search("status of (422|429)", said)
        ]
    assert wrong == []


def enters(page: Page, base: str, user: User) -> None:
    """Signed in, and asked for the password a moment ago."""
    client = Client(headers={"user-agent": "Mozilla/5.0 (X11; Linux) Firefox/140.0"})
    sign_in(client, user.username)
    sign_in(Client(headers={"user-agent": "Mozilla/5.0 (iPhone) Safari/17"}), user.username)
    session = client.session
    session["account_authentication_methods"] = [
        {"method": "password", "at": time.time(), "reauthenticated": True}
    ]
    session["account_authentication_methods_user"] = str(user.pk)
    session.save()
    name = settings.SESSION_COOKIE_NAME
    page.context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": base}])


def look(looked: chromium.Looked, name: str) -> list[str]:
    expect(looked.page.locator("h1")).to_have_count(1)
    return [f"{name}: {found}" for found in looked.problems(name)]
