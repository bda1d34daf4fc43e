"""The welcome credits: once, for a confirmed address; and to whom the site opens."""

from __future__ import annotations

from functools import partial

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client

from songs.accounts import welcome
from songs.leaving import close_account
from songs.models import CreditEntry, EntryKind, User, WelcomedAddress
from tests.songs.doors import a_while_later, confirm, is_signed_in, link, sign_up, with_address
from tests.support.functions import at_once

pytestmark = pytest.mark.django_db
OLD = -1  # days that a link is good for: any is too old


def dora() -> User:
    return User.objects.get(username="dora")


def test_a_confirmed_address_brings_the_welcome_credits(client: Client, settings) -> None:
    settings.STARTING_CREDITS = 4
    sign_up(client)
    assert "dora" in mail.outbox[-1].body
    page = confirm(client).content.decode()
    entry = dora().credit_entries.get()
    assert (dora().credits, entry.amount, entry.kind) == (4, 4, EntryKind.WELCOME)
    assert "+4 credits: welcome to MelodyMaker." in page
    assert "wait for you" not in client.get("/").content.decode()


@pytest.mark.parametrize("days", [3, OLD])
def test_a_link_that_has_confirmed_its_address_says_so(client: Client, settings, days: int) -> None:
    sign_up(client)
    path = link()
    confirm(Client())
    settings.ACCOUNT_EMAIL_CONFIRMATION_EXPIRE_DAYS = days
    for browser in (client, Client()):
        for answer in (browser.get(path), browser.post(path)):
            page = answer.content.decode()
            assert answer.status_code == 200
            assert "<strong>dora@example.com</strong> is confirmed." in page
            assert "too old" not in page


def test_a_link_that_is_too_old_offers_another_one(client: Client, settings) -> None:
    sign_up(client)
    settings.ACCOUNT_EMAIL_CONFIRMATION_EXPIRE_DAYS = OLD
    page = client.get(link()).content.decode()
    assert "This link has been used, or is too old." in page
    assert "Send another one" in page


def test_looking_at_the_link_confirms_nothing(client: Client) -> None:
    """As a mail server does that looks for viruses."""
    sign_up(client)
    assert "dora@example.com" in client.get(link()).content.decode()
    assert dora().credits == 0


def test_a_link_confirms_once_and_from_any_browser(client: Client) -> None:
    sign_up(client)
    confirm(Client())
    confirm(client, link())
    assert dora().credits == 10
    assert "dora@example.com</strong> is confirmed" in client.get(link()).content.decode()
    assert "This link has been used" in client.get(link()[:-3] + "x/").content.decode()


@pytest.mark.django_db(transaction=True)
def test_links_that_are_opened_at_once_welcome_once(client: Client) -> None:
    """One link in four tabs, and the links of two accounts that name one address."""
    sign_up(client)
    one = link()
    a_while_later()
    sign_up(Client(), "other", email="dora@example.com")
    answers = at_once(*(partial(confirm, Client(), path) for path in (one, link()) * 4))
    assert {answer.status_code for answer in answers} == {200}
    assert [entry.amount for entry in CreditEntry.objects.all()] == [10]
    assert EmailAddress.objects.filter(verified=True).count() == 1


def test_a_site_may_give_nothing(client: Client, settings) -> None:
    settings.STARTING_CREDITS = 0
    sign_up(client)
    confirm(client)
    assert dora().credits == 0
    assert not CreditEntry.objects.exists()


@pytest.mark.parametrize(
    "again",
    [
        *("dora@gmail.com", "DORA@gmail.com", "d.o.r.a@googlemail.com", "dora+songs@gmail.com"),
        *("dora@ｇmail.com", "dora@gma\u00adil.com"),
        *('"dora"@gmail.com', '"do\\ra"@gmail.com', '"d.ora+songs"@gmail.com'),
    ],
)
def test_a_returning_address_gets_nothing(client: Client, again: str) -> None:
    sign_up(client, email="dora@gmail.com")
    confirm(client)
    close_account(User.objects.get())
    a_while_later()
    sign_up(client, "dora-again", email=again)
    page = confirm(client).content.decode()
    assert EmailAddress.objects.get().verified
    assert User.objects.get().credits == 0
    assert "This address has had its welcome credits before." in page


def test_a_domain_in_other_letters_is_the_one_that_its_mail_goes_to() -> None:
    ways = ["x@bücher.example", "x@BÜCHER.example", "x@xn--bcher-kva.example"]
    assert len({welcome.normalised(way) for way in ways}) == 1
    assert welcome.normalised("x@[127.0.0.1]") == "x@[127.0.0.1]"
    assert welcome.normalised(f"x@{'ü' * 80}.example") == f"x@{'ü' * 80}.example"


def test_dots_count_elsewhere() -> None:
    assert welcome.normalised("d.ora@example.com") != welcome.normalised("dora@example.com")
    assert welcome.normalised("+@example.com") == "+@example.com"


def test_an_account_gets_them_once_whatever_its_addresses(client: Client) -> None:
    sign_up(client)
    confirm(client)
    assert welcome.welcome(dora(), "another@example.com") is None
    assert dora().credits == 10


def test_an_account_of_a_known_address_gets_them_for_a_new_one(client: Client) -> None:
    WelcomedAddress.objects.create(digest=welcome.digests("dora@example.com")[0])
    sign_up(client)
    confirm(client)
    assert dora().credits == 0
    assert welcome.welcome(dora(), "another@example.com") is not None


def test_an_address_is_known_after_the_key_was_changed(client: Client, settings) -> None:
    sign_up(client)
    confirm(client)
    close_account(User.objects.get())
    a_while_later()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-key"
    sign_up(client)
    confirm(client)
    assert EmailAddress.objects.get().verified
    assert dora().credits == 0


def test_no_address_is_kept_readable(client: Client) -> None:
    sign_up(client)
    confirm(client)
    close_account(User.objects.get())
    assert "dora" not in str(list(WelcomedAddress.objects.values()))


def test_confirmation_and_credits_are_one_fact(client: Client, monkeypatch) -> None:
    def broken(user: User) -> None:
        raise RuntimeError("the ledger is closed")

    sign_up(client)
    monkeypatch.setattr("songs.credits.welcome", broken)
    with pytest.raises(RuntimeError):
        confirm(client)
    monkeypatch.undo()
    assert not EmailAddress.objects.filter(verified=True).exists()
    confirm(client)
    assert dora().credits == 10


def test_of_two_accounts_the_first_to_confirm_an_address_has_it(client: Client) -> None:
    sign_up(client)
    other = Client()
    sign_up(other, "dora-2", email="dora@example.com")
    first = link()
    assert len(mail.outbox) == 1, "one mail to an address in three minutes"
    confirm(client, first)
    a_while_later()
    other.post("/accounts/email/", {"email": "dora@example.com", "action_send": "1"})
    page = other.get(link()).content.decode()
    assert "belongs to another account" in page
    assert EmailAddress.objects.filter(verified=True).count() == 1


# --- open, with a code, closed --------------------------------------------------------------------

CODE = "only-for-friends"


@pytest.fixture
def with_code(settings) -> None:
    settings.SIGN_UP, settings.SIGN_UP_SECRET = "code", CODE


def test_a_closed_site_makes_no_account(client: Client, settings) -> None:
    settings.SIGN_UP = "closed"
    assert "Sign-up is closed" in client.get("/accounts/signup/").content.decode()
    assert "Sign-up is closed" in sign_up(client).content.decode()
    assert not User.objects.exists()
    for page in ("/", "/accounts/login/"):
        assert "/accounts/signup/" not in client.get(page).content.decode()


@pytest.mark.usefixtures("with_code")
def test_a_code_opens_the_site(client: Client) -> None:
    assert 'name="code"' in client.get("/accounts/signup/").content.decode()
    assert sign_up(client, code=CODE)["Location"] == "/"


@pytest.mark.usefixtures("with_code")
@pytest.mark.parametrize("code", ["", "wrong", CODE + "x", "für-Freunde"])
def test_another_code_does_not(client: Client, code: str) -> None:
    answer = sign_up(client, code=code)
    assert answer.status_code == 422
    assert 'value="dora"' in answer.content.decode()
    assert not User.objects.exists()


@pytest.mark.usefixtures("with_code")
def test_codes_cannot_be_guessed(client: Client) -> None:
    for _ in range(10):
        sign_up(client, code="wrong")
    answer = sign_up(client, code=CODE)
    assert "Too many wrong codes. Try again in 15 minutes." in answer.content.decode()
    assert not User.objects.exists()
    assert not is_signed_in(client)
    assert sign_up(Client(REMOTE_ADDR="198.51.100.7"), code=CODE).status_code == 302


def test_an_address_of_an_old_account_can_be_confirmed(client: Client, alice: User) -> None:
    with_address(alice, verified=False)
    client.force_login(alice)
    client.post("/accounts/email/", {"email": alice.email, "action_send": "1"})
    confirm(client)
    assert EmailAddress.objects.get().verified
