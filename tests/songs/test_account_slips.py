"""What a form of an account is sent by mistake or on purpose: a page comes back, and no error."""

from __future__ import annotations

import json

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client

from songs.models import User
from tests.songs.doors import sign_in, sign_up
from tests.support.cast import PASSWORD

pytestmark = pytest.mark.django_db
WORDS = [
    "",
    " ",
    "x" * 10_000,
    "<script>alert(1)</script>",
    "🎵" * 300,
    "\u202egnp.exe",
    "a" * 64 + "@" + "b" * 200 + ".example",
    "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    "' OR 1=1 --",
]
EMPTY = {"id": "eA", "rawId": "eA", "type": "public-key", "response": {}}
SAID = {"clientDataJSON": "e30", "authenticatorData": "eA", "signature": "eA", "userHandle": "eA"}
CREDENTIALS = [
    *("", "null", "[]", "{}", '"x"', "{", "[" * 2_000, "1e999", '"' + "x" * 30_000 + '"'),
    json.dumps({"id": "x", "response": {}}),
    json.dumps(EMPTY),
    json.dumps({**EMPTY, "response": SAID}),
    json.dumps({**EMPTY, "response": {**SAID, "clientDataJSON": "eA", "attestationObject": "eA"}}),
    json.dumps({**EMPTY, "response": {**SAID, "attestationObject": "oA"}}),
    json.dumps({**EMPTY, "response": "x", "type": 5}),
]
ADDRESSES = [
    "/accounts/password/reset/key/zzzzzzzzzzzzz-x/",
    "/accounts/password/reset/key/0-set-password/",
    "/accounts/confirm-email/MQ:x:y/",
    "/accounts/confirm-email/" + "x" * 2_000 + "/",
    "/accounts/2fa/webauthn/keys/99999999999999999999/edit/",
    "/accounts/2fa/webauthn/keys/1/remove/",
    "/accounts/login/code/confirm/",
    "/accounts/reauthenticate/code/",
    "/accounts/2fa/authenticate/",
    "/accounts/login/?next=" + "/" * 3_000,
]


@pytest.fixture(autouse=True)
def _no_limit(settings) -> None:
    settings.ACCOUNT_RATE_LIMITS = False


@pytest.mark.parametrize("word", WORDS)
def test_any_word_in_any_field(client: Client, alice: User, word: str) -> None:
    assert sign_in(client, word, word).status_code == 422
    for field in ("username", "email", "password1", "password2"):
        answer = sign_up(Client(), "dora", **{field: word})
        assert answer.status_code in (302, 422)
        assert "<script>alert" not in answer.content.decode()
        User.objects.exclude(pk=alice.pk).delete()
    assert client.post("/accounts/password/reset/", {"email": word}).status_code in (302, 422)
    sign_in(client)
    assert client.post("/accounts/reauthenticate/", {"password": word}).status_code in (302, 422)
    changed = {"oldpassword": word, "password1": word, "password2": word}
    assert client.post("/accounts/password/change/", changed).status_code in (302, 422)
    sent = {"email": word, "action_send": "1"}
    assert client.post("/accounts/email/", sent).status_code in (302, 422)


@pytest.mark.parametrize("word", [*WORDS, "000000", "१२३४५६"])
def test_any_word_as_a_code(client: Client, alice: User, word: str) -> None:
    TOTP.activate(alice, generate_totp_secret())
    sign_in(client)
    assert client.post("/accounts/2fa/authenticate/", {"code": word}).status_code == 422


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_any_word_as_a_passkey(client: Client, alice: User, credential: str) -> None:
    client.get("/accounts/2fa/webauthn/login/", headers={"accept": "application/json"})
    sent = {"credential": credential}
    assert client.post("/accounts/2fa/webauthn/login/", sent).status_code in (302, 422)
    TOTP.activate(alice, generate_totp_secret())
    sign_in(client)
    assert client.post("/accounts/2fa/authenticate/", sent).status_code == 422
    browser = Client()
    browser.force_login(alice)
    asked = browser.get("/accounts/2fa/webauthn/add/")
    sent_again = browser.post("/accounts/2fa/webauthn/reauthenticate/", sent)
    assert sent_again.status_code in (302, 422)
    browser.post(asked["Location"], {"password": PASSWORD})
    browser.get("/accounts/2fa/webauthn/add/")
    assert browser.post("/accounts/2fa/webauthn/add/", sent).status_code in (302, 422)


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("method", ["get", "post"])
def test_any_address(client: Client, alice: User, method: str, address: str) -> None:
    for browser in (client, Client()):
        assert getattr(browser, method)(address).status_code < 500
        browser.force_login(alice)
        assert getattr(browser, method)(address).status_code < 500
