"""Bought credits are booked once a payment; every entry of the ledger is explained."""

from __future__ import annotations

import re
import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client

from songs import credits, ledger_check, ledger_totals
from songs.entry_words import EXPLANATIONS
from songs.models import CreditEntry, EntryKind, User
from tests.support.cast import a_song, listener

pytestmark = pytest.mark.django_db


def test_a_purchase_is_an_entry_and_a_balance(alice: User) -> None:
    entry = credits.purchase(alice, 25, payment="pay_1", why="25 credits")
    alice.refresh_from_db()
    assert (entry.kind, entry.amount, entry.balance) == (EntryKind.PURCHASE, 25, 28)
    assert alice.credits == 28
    assert ledger_check.check().is_right
    found = ledger_totals.totals(timedelta(hours=1))
    assert (found.bought, found.granted) == (25, 3)


def test_a_payment_that_is_told_of_twice_is_booked_once(alice: User) -> None:
    first, second = (credits.purchase(alice, 25, payment="pay_1") for _ in range(2))
    assert first == second
    assert credits.balance(alice).credits == 28


def test_a_payment_of_another_account_or_amount_is_refused(alice: User, bob: User) -> None:
    credits.purchase(alice, 25, payment="pay_1")
    for user, amount in ((bob, 25), (alice, 26)):
        with pytest.raises(ValueError, match="Payment pay_1 is booked already"):
            credits.purchase(user, amount, payment="pay_1")


@pytest.mark.parametrize(("amount", "payment"), [(0, "pay_1"), (-5, "pay_1"), (5, "")])
def test_a_purchase_of_nothing_or_without_a_payment_is_refused(
    alice: User, amount: int, payment: str
) -> None:
    with pytest.raises(ValueError, match="at least one credit"):
        credits.purchase(alice, amount, payment=payment)
    assert not CreditEntry.objects.filter(kind=EntryKind.PURCHASE).exists()


@pytest.mark.django_db(transaction=True)
def test_two_messages_at_once_book_one_payment() -> None:
    somebody = listener("somebody", credits_=0)
    start = threading.Barrier(4)

    def told() -> None:
        start.wait()
        credits.purchase(somebody, 10, payment="pay_2")
        connection.close()

    messages = [threading.Thread(target=told) for _ in range(4)]
    for message in messages:
        message.start()
    for message in messages:
        message.join()
    assert credits.balance(somebody).credits == 10
    assert somebody.credit_entries.count() == 1


def test_a_reason_with_quotes_stands_in_no_others(alices: Client, alice: User) -> None:
    credits.refund(a_song(alice, "a tango"), why="“A tango” did not come", by=None)
    page = alices.get("/accounts/credits/").content.decode()
    assert "back. Reason: <bdi>“A tango” did not come</bdi>" in page
    assert "““" not in re.sub("<[^>]*>", "", page)


def test_every_kind_of_entry_is_explained_on_the_page(alices: Client, alice: User) -> None:
    song = a_song(alice, "a tango")
    credits.charge(song)
    credits.refund(song, why="it rained", by=None)
    credits.purchase(alice, 5, payment="pay_3")
    credits.grant(alice, -1, why="too many")
    page = alices.get("/accounts/credits/").content.decode()
    for sentence in (
        "The song was ready, so it cost a credit.",
        "gave you the credit of this song back. Reason: <bdi>it rained</bdi>",
        "You bought these credits.",
        "An operator of this site took these credits back.",
        "An operator of this site gave you these credits.",
    ):
        assert sentence in page
    assert set(EXPLANATIONS) == set(EntryKind)
