"""What a listener has typed is there again: after a session that has ended, on a stale page."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from songs.models import Song, User
from tests.support.cast import PASSWORD, wishes

pytestmark = pytest.mark.django_db
WORDS = "a waltz " * 187
STALE = {"csrfmiddlewaretoken": "x" * 64}


@pytest.fixture
def careful(alice: User) -> Client:
    """Alice's browser, whose forms need their token."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    return client


def sign_in(client: Client, name: str = "alice") -> None:
    assert client.login(username=name, password=PASSWORD)


def send_late(client: Client, **changes: str) -> None:
    """From the page that is open, after its session has ended."""
    page = client.get("/").content.decode()
    mark = re.search(r'name="typed_by" value="([^"]+)"', page)
    Session.objects.all().delete()
    form = wishes(full_described_song=WORDS, typed_by=mark[1] if mark else "", **changes)
    assert client.post("/songs/", form).status_code == 302


def test_after_the_session_has_ended_the_words_wait_for_the_sign_in(
    alices: Client, alice: User
) -> None:
    Session.objects.all().delete()
    form = wishes(full_described_song=WORDS, title="Cats", audio_duration="95", two_takes="on")
    answer = alices.post("/songs/", form, follow=True)
    assert "Your session has ended" in answer.content.decode()
    sign_in(alices)
    page = alices.get("/").content.decode()
    for kept in (WORDS.strip(), 'value="Cats"', 'value="95"', "1:35", "This is what you typed"):
        assert kept in page
    assert page.count("checked") == 2  # the way, and two takes
    assert not Song.objects.exists()


def test_what_was_sent_or_cleared_is_not_shown_again(alices: Client, alice: User) -> None:
    Session.objects.all().delete()
    alices.post("/songs/", wishes(full_described_song=WORDS))
    sign_in(alices)
    assert alices.post("/songs/", wishes()).status_code == 303
    assert WORDS.strip() not in alices.get("/").content.decode()

    alices.logout()
    alices.post("/songs/", wishes(full_described_song=WORDS))
    sign_in(alices)
    assert alices.get("/songs/draft/clear").status_code == 405
    alices.post("/songs/draft/clear")
    assert WORDS.strip() not in alices.get("/").content.decode()


def test_a_session_that_keeps_words_ends_soon_unless_a_listener_signs_in(
    client: Client, alice: User
) -> None:
    client.post("/songs/", wishes(full_described_song="x" * 60_000))
    assert client.session.get_expiry_age() <= 3600
    assert len(client.session["draft"]["full_described_song"]) <= 20_000
    sign_in(client)
    assert client.session.get_expiry_age() > 3600


def test_words_are_shown_to_the_account_alone_that_typed_them(
    alices: Client, alice: User, bob: User
) -> None:
    send_late(alices)
    sign_in(alices, "bob")
    assert WORDS.strip() not in alices.get("/").content.decode()
    assert WORDS.strip() not in str(alices.session.items())

    alices.force_login(alice)
    send_late(alices)
    sign_in(alices)
    assert WORDS.strip() in alices.get("/").content.decode()


@pytest.mark.parametrize("forged", ["", "1", "1:forged", "nonsense"])
def test_words_of_no_account_belong_to_the_first_that_signs_in(
    client: Client, alice: User, bob: User, forged: str
) -> None:
    client.post("/songs/", wishes(full_described_song=WORDS, typed_by=forged))
    sign_in(client, "bob")
    assert WORDS.strip() in client.get("/").content.decode()
    client.post("/accounts/logout/")
    sign_in(client)
    assert WORDS.strip() not in client.get("/").content.decode()


def test_words_are_dropped_when_another_account_takes_over_the_session(
    alices: Client, alice: User, bob: User
) -> None:
    """Without signing out in between, as from a second tab."""
    send_late(alices)
    sign_in(alices)
    sign_in(alices, "bob")
    assert WORDS.strip() not in alices.get("/").content.decode()


def test_a_network_has_so_many_words_kept_an_hour(client: Client, settings: Any) -> None:
    settings.LIMITS = {**settings.LIMITS, "drafts-network": 2}
    for _ in range(3):
        client.cookies.clear()
        answer = client.post("/songs/", wishes(full_described_song=WORDS), follow=True)
    assert Session.objects.count() == 2
    said = answer.content.decode()
    assert "what you typed is not kept. 2 texts an hour can be kept for your network" in said


def test_an_empty_form_of_a_stranger_keeps_nothing(client: Client) -> None:
    client.post("/songs/", {})
    assert "sessionid" not in client.cookies


def test_a_stale_page_is_shown_again_with_its_words_and_orders_nothing(careful: Client) -> None:
    careful.get("/")
    answer = careful.post("/songs/", wishes(full_described_song=WORDS) | STALE)
    page = answer.content.decode()
    assert answer.status_code == 403
    assert WORDS.strip() in page
    assert "This page was out of date" in page
    assert not Song.objects.exists()


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_words_that_another_site_sends_are_not_shown_or_kept(
    careful: Client, headers: dict[str, str]
) -> None:
    for browser in (careful, Client(enforce_csrf_checks=True)):
        answer = browser.post("/songs/", wishes() | STALE, headers=headers)
        assert answer.status_code == 403
        assert "a waltz" not in answer.content.decode()
        assert "sessionid" not in answer.cookies


def test_other_forms_that_are_stale_are_refused_as_ever(careful: Client) -> None:
    answer = careful.post("/songs/draft/clear", STALE)
    assert answer.status_code == 403
    assert "This form has expired" in answer.content.decode()


def test_a_stale_form_of_the_panel_leads_back_to_the_panel(careful: Client) -> None:
    answer = careful.post("/admin/login/", STALE)
    assert answer.status_code == 403
    page = answer.content.decode()
    assert "This form has expired" in page
    assert 'href="/admin/">Back to the panel' in page
    assert "To the start" not in page
