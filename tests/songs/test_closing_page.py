"""The page that closes an account, and requests that are under way meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import Client

from jobs.execution.executor import execute
from jobs.models import Run
from jobs.runs.claiming import claim_due
from jobs.testing import drain
from songs.deletion import delete_song
from songs.downloads import FN
from songs.leaving import close_account
from songs.leaving_pages import MAX_TRIES
from songs.models import CreditEntry, Song, User
from songs.sharing import publishing
from tests.songs.conftest import as_
from tests.support.blocking import Uncommitted, others, wait_until_blocked
from tests.support.cast import PASSWORD, a_song, bob, wishes
from tests.support.functions import at_once

pytestmark = pytest.mark.django_db
CLOSE, DOWNLOAD = "/accounts/close/", "/accounts/download/"
PATIENCE = 30  # seconds


def body(client: Client, address: str) -> str:
    return client.get(address).content.decode()


def test_the_page_says_what_goes_and_what_stays_and_offers_the_download(
    alices: Client, alice: User
) -> None:
    a_song(alice)
    a_song(alice, status="queued")
    page = body(alices, CLOSE)
    assert "2 songs, with audio, cover and your words; 1 of them is being made" in page
    assert "3 credits that you have left" in page
    assert "download everything" in page
    alices.post(DOWNLOAD)
    drain()
    assert "Your download of everything is ready." in body(alices, CLOSE)


def test_with_the_password_the_account_is_closed_and_the_browser_is_signed_out(
    alices: Client, alice: User
) -> None:
    answer = alices.post(CLOSE, {"password": PASSWORD}, follow=True)
    assert answer.redirect_chain == [("/", 303)]
    assert "Your account is closed." in answer.content.decode()
    assert not User.objects.filter(pk=alice.pk).exists()
    assert alices.get("/songs/").status_code == 302
    assert not alices.login(username="alice", password=PASSWORD)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "Type your password"),
        ({"password": ""}, "Type your password"),
        ({"password": "x"}, "That is not your password. Nothing was closed."),
        ({"password": PASSWORD + " "}, "That is not your password."),
        ({"password": "p" * 5_000}, "That is not your password."),
    ],
)
def test_without_it_nothing_is_closed_and_the_field_says_why(
    alices: Client, alice: User, given: dict[str, str], sentence: str
) -> None:
    answer = alices.post(CLOSE, given)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert User.objects.get(pk=alice.pk).is_active


def test_a_session_that_guesses_the_password_ends(alices: Client, alice: User) -> None:
    codes = [alices.post(CLOSE, {"password": "wrong"}).status_code for _ in range(MAX_TRIES)]
    assert codes == [422] * (MAX_TRIES - 1) + [303]
    assert alices.post(CLOSE, {"password": PASSWORD})["Location"].startswith("/accounts/login/")
    assert User.objects.filter(pk=alice.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_passwords_that_are_tried_at_once_are_counted_like_those_in_turn(alice: User) -> None:
    session = as_(alice).cookies

    def guess() -> int:
        tab = Client()
        tab.cookies = session
        return tab.post(CLOSE, {"password": "wrong"}).status_code

    codes = at_once(*[guess] * 12)
    assert codes.count(422) == MAX_TRIES - 1
    assert set(codes) <= {422, 302, 303}
    assert User.objects.filter(pk=alice.pk).exists()


def test_a_get_closes_nothing(alices: Client, alice: User) -> None:
    alices.get(CLOSE, {"password": PASSWORD})
    assert User.objects.filter(pk=alice.pk).exists()


def test_of_two_tabs_that_close_one_finds_it_done(alice: User) -> None:
    first, second = as_(alice), as_(alice)
    assert first.post(CLOSE, {"password": PASSWORD})["Location"] == "/"
    assert second.post(CLOSE, {"password": PASSWORD}).status_code == 302


def test_the_only_superuser_stays(olgas: Client, olga: User) -> None:
    answer = olgas.post(CLOSE, {"password": PASSWORD})
    assert "olga is the only superuser of this site." in answer.content.decode()
    assert User.objects.get(pk=olga.pk).is_superuser


def test_an_account_without_a_password_types_its_name(alices: Client, alice: User) -> None:
    alice.set_unusable_password()
    alice.save()
    client = as_(alice)
    assert client.post(CLOSE, {"password": "Alice"}).status_code == 422
    assert client.post(CLOSE, {"password": "alice"})["Location"] == "/"


def test_a_download_that_is_being_made_ends_with_the_account(alices: Client, alice: User) -> None:
    a_song(alice)
    alices.post(DOWNLOAD)
    for claimed in claim_due(1):
        alices.post(CLOSE, {"password": PASSWORD})
        execute(claimed)
    drain()
    assert Run.objects.get(fn_id=FN).status == "cancelled"
    assert not default_storage.exists("downloads") or not default_storage.listdir("downloads")[1]


# --- requests that are under way meanwhile --------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_an_order_in_another_tab_that_comes_too_late_is_told_so_and_makes_nothing(
    alice: User,
) -> None:
    tab = as_(alice)
    with others() as start, Uncommitted(lambda: close_account(alice)) as closing:
        order = start(lambda: tab.post("/songs/", wishes()))
        wait_until_blocked(1)
        closing.commit()
        answer = order.result(PATIENCE)
    assert (answer.status_code, answer["Location"]) == (303, "/accounts/login/")
    assert "This account was closed" in body(tab, "/accounts/login/")
    assert not Song.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_grant_that_comes_too_late_is_a_404_and_books_nothing(alice: User, olga: User) -> None:
    browser = as_(olga)
    address, form = f"/admin/songs/user/{alice.pk}/grant-credits/", {"amount": "5", "why": "x"}
    with others() as start, Uncommitted(lambda: close_account(alice)) as closing:
        grant = start(lambda: browser.post(address, form))
        wait_until_blocked(1)
        closing.commit()
        assert grant.result(PATIENCE).status_code == 404
    assert not CreditEntry.objects.filter(amount=5).exists()


NEW = {"password1": "another-long-enough-one", "password2": "another-long-enough-one"}
SHARED = {"title": "Cats", "byline": ""}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("address", "form"),
    [
        ("/songs/{own.pk}/delete", {}),
        ("/songs/{own.pk}/publish", SHARED),
        ("/listen/{public.pk}/like", {}),
        ("/listen/{public.pk}/report", {"kind": "spam", "words": ""}),
        ("/accounts/password/change/", {"oldpassword": PASSWORD, **NEW}),
    ],
)
def test_what_comes_too_late_in_another_tab_leads_to_the_page_to_sign_in(
    alice: User, address: str, form: dict[str, str]
) -> None:
    tab, own, public = as_(alice), a_song(alice), a_song(bob())
    publishing.publish(public, **SHARED)
    with others() as start, Uncommitted(lambda: close_account(alice)) as closing:
        act = start(lambda: tab.post(address.format(own=own, public=public), form))
        wait_until_blocked(1)
        closing.commit()
        answer = act.result(PATIENCE)
    assert (answer.status_code, answer["Location"]) == (303, "/accounts/login/")
    assert "This account was closed" in body(tab, "/accounts/login/")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("act", "form"), [("rename", {"title": "Dogs"}), ("publish", SHARED), ("again", {})]
)
def test_an_act_on_a_song_that_is_deleted_meanwhile_is_a_404(
    alice: User, act: str, form: dict[str, Any]
) -> None:
    tab, song = as_(alice), a_song(alice, status="failed" if act == "again" else "processed")
    with others() as start, Uncommitted(lambda: delete_song(song)) as deletion:
        late = start(lambda: tab.post(f"/songs/{song.pk}/{act}", form))
        wait_until_blocked(1)
        deletion.commit()
        assert late.result(PATIENCE).status_code == 404
    assert not Song.objects.exists()
