"""“This should not be here”: reports by listeners and strangers, bounded."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from songs.models import Publication, Report, User
from songs.sharing import reports
from songs.sharing.reports import MAX_AN_HOUR, MAX_OPEN
from tests.songs.conftest import as_
from tests.songs.sharing.sharing import back, public
from tests.support.functions import at_once

pytestmark = pytest.mark.django_db
FORM = {"kind": "copy", "words": "It is the Blue Danube."}


@pytest.fixture
def song(alice: User) -> Publication:
    return public(alice)


def send(browser: Client, song: Publication, **changes: str) -> Any:
    return browser.post(f"/listen/{song.pk}/report", {**FORM, **changes})


def test_a_stranger_and_a_listener_report_a_song(song, bob: User, bobs: Client, client) -> None:
    answer = send(client, song)
    assert (answer.status_code, answer["Location"]) == (303, f"/listen/{song.pk}/")
    assert "Thank you." in client.get(f"/listen/{song.pk}/").content.decode()
    send(bobs, song)
    assert [row.reporter for row in Report.objects.order_by("id")] == [None, bob]
    assert Publication.objects.get().reported_at is not None


def test_a_second_report_of_the_same_song_is_not_kept(song, client) -> None:
    send(client, song)
    assert send(client, song).status_code == 303
    assert Report.objects.count() == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kind": ""}, "Choose what is wrong with the song."),
        ({"kind": "rude"}, "“rude” is none of the reasons below."),
        ({"kind": "other", "words": ""}, "Say in a few words what is wrong with the song."),
        ({"words": "x" * 501}, "That is 501 characters, and 500 are allowed."),
    ],
)
def test_a_refused_report_comes_back_with_what_was_typed(
    song, client, given: dict[str, str], said: str
) -> None:
    answer = send(client, song, **given)
    page = answer.content.decode()
    assert (answer.status_code, said in page) == (422, True)
    assert "Blue Danube" in page or "words" in given
    assert not Report.objects.exists()


def test_the_eleventh_report_within_an_hour_has_to_wait(alice: User, client) -> None:
    songs = [public(alice, title=f"{number}") for number in range(MAX_AN_HOUR + 1)]
    for song in songs[:-1]:
        assert send(client, song).status_code == 303
    back(Report.objects.earliest("id"), timedelta(minutes=50))
    answer = send(client, songs[-1])
    page = answer.content.decode()
    assert answer.status_code == 429
    assert 500 < int(answer["Retry-After"]) <= 602
    assert "You have sent 10 reports within an hour. Send the next one in 10 minutes." in page
    assert "Blue Danube" in page
    back(Report.objects.earliest("id"), timedelta(minutes=11))
    assert send(client, songs[-1]).status_code == 303


def test_a_song_keeps_a_hundred_open_reports(song) -> None:
    for number in range(MAX_OPEN + 1):
        is_new = reports.report(song, f"{number}", kind="spam", words="", reporter=None)
        assert is_new == (number < MAX_OPEN)
    assert Report.objects.count() == MAX_OPEN


@pytest.mark.django_db(transaction=True)
def test_reports_at_once_do_not_pass_the_limit(alice: User, bob: User) -> None:
    songs = [public(alice, title=f"{number}") for number in range(MAX_AN_HOUR + 3)]
    for song in songs[: MAX_AN_HOUR - 1]:
        send(as_(bob), song)
    rest = songs[MAX_AN_HOUR - 1 :]
    found = at_once(*[lambda s=s: send(as_(bob), s).status_code for s in rest])
    assert sorted(found) == [303, 429, 429, 429]
