"""An operator takes a public song down: its listener is told why, and cannot publish it again."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from songs.models import Listing, Publication, Report, User
from songs.sharing import likes, publishing, reports
from songs.sharing.counts import counts_of
from tests.songs.conftest import as_
from tests.songs.sharing.sharing import public
from tests.support.cast import staff

pytestmark = pytest.mark.django_db
WHY = "It copies the Blue Danube"


def admin(song: Publication, act: str = "change") -> str:
    return f"/admin/songs/publication/{song.pk}/{act}/"


@pytest.fixture
def song(alice: User) -> Publication:
    return public(alice, "Waltz")


@pytest.fixture
def warden() -> Client:
    """The browser of an operator that may take songs down, and nothing else."""
    return as_(staff("warden", "view_publication", "take_down_song"))


def test_a_song_that_is_taken_down_is_gone_for_all_but_its_listener(
    song: Publication, warden: Client, alices: Client, client
) -> None:
    assert warden.post(admin(song, "take-down"), {"why": WHY}).status_code == 302
    for page in ("", "audio", "cover", "report"):
        assert client.get(f"/listen/{song.pk}/{page}").status_code == 404
    assert "Elegy" not in client.get("/discover/").content.decode()
    assert not Listing.objects.exists()
    page = alices.get(f"/songs/{song.pk}/").content.decode()
    assert WHY in page
    assert "cannot be published again" in page
    assert alices.get(f"/songs/{song.pk}/audio").status_code == 200


def test_it_cannot_be_published_again(song: Publication, warden: Client, alices: Client) -> None:
    warden.post(admin(song, "take-down"), {"why": WHY})
    for _ in range(2):
        answer = alices.post(f"/songs/{song.pk}/publish", {"title": "Elegy", "byline": ""})
        assert answer.status_code == 422
        assert "It cannot be published again." in answer.content.decode()
        alices.post(f"/songs/{song.pk}/withdraw")
    assert not Publication.objects.public().exists()


def test_each_act_is_a_line_of_the_audit_log(song: Publication, warden: Client) -> None:
    reports.report(song, "a stranger", kind="spam", words="", reporter=None)
    for act, form in (
        ("dismiss", {}),
        ("take-down", {"why": WHY}),
        ("put-back", {}),
        ("put-back", {}),  # sent twice
    ):
        warden.post(admin(song, act), form)
    lines = LogEntry.objects.order_by("id").values_list("user__username", "change_message")
    assert list(lines) == [
        ("warden", "Dismissed 1 report."),
        ("warden", f"Took it down: {WHY}"),
        ("warden", "Put it back."),
    ]


def test_a_song_that_is_put_back_is_as_it_was(
    song: Publication, warden: Client, bob: User, client
) -> None:
    likes.like(song, bob)
    warden.post(admin(song, "take-down"), {"why": WHY})
    warden.post(admin(song, "put-back"))
    assert client.get(f"/listen/{song.pk}/").status_code == 200
    assert "Elegy" in client.get("/discover/?category=waltz").content.decode()
    assert counts_of([song])[song.pk].likes == 1


def test_a_song_that_is_not_taken_down_is_not_said_to_be(song: Publication, warden: Client) -> None:
    answer = warden.get(admin(song, "put-back"), follow=True)
    assert "was taken down" not in answer.content.decode()
    assert "This song is not taken down." in answer.content.decode()


def test_a_song_that_its_listener_has_withdrawn_is_not_put_back_to_the_public(
    song: Publication, warden: Client, client
) -> None:
    warden.post(admin(song, "take-down"), {"why": WHY})
    publishing.withdraw(song.song)
    warden.post(admin(song, "put-back"))
    assert client.get(f"/listen/{song.pk}/").status_code == 404


def test_a_take_down_closes_the_reports_and_needs_a_reason(
    song: Publication, warden: Client
) -> None:
    reports.report(song, "a stranger", kind="spam", words="", reporter=None)
    answer = warden.post(admin(song, "take-down"), {"why": " "})
    assert answer.status_code == 422
    assert Report.objects.filter(dealt_at=None).count() == 1
    warden.post(admin(song, "take-down"), {"why": WHY})
    assert not Report.objects.filter(dealt_at=None).exists()
    assert Publication.objects.get().reported_at is None


def test_the_panel_lists_what_is_reported_with_its_counts_and_plays_it(
    song: Publication, alice: User, bob: User, warden: Client
) -> None:
    quiet = public(alice, title="Quiet one")
    likes.like(song, bob)
    for number in range(3):
        reports.report(song, f"{number}", kind="copy", words="the Danube", reporter=bob)
    page = warden.get("/admin/songs/publication/").content.decode()
    assert "Elegy" in page
    assert "Quiet one" not in page
    assert '<td class="field-reports"><strong>3</strong></td>' in page
    assert '<td class="field-likes_now">1</td>' in page
    everything = warden.get("/admin/songs/publication/?state=all").content.decode()
    assert "Quiet one" in everything
    own = warden.get(admin(song)).content.decode()
    assert own.count("the Danube") == 3
    assert f"{admin(song, 'audio')}" in own
    assert warden.get(admin(song, "audio")).status_code == 200
    assert warden.get(admin(quiet, "cover")).status_code == 200


@pytest.mark.parametrize("address", ["", "?state=", "?state=nonsense"])
def test_where_none_is_reported_the_list_begins_with_the_public_ones(
    address: str, song: Publication, alice: User, warden: Client
) -> None:
    down = public(alice, title="Gone")
    warden.post(admin(down, "take-down"), {"why": WHY})
    page = warden.get(f"/admin/songs/publication/{address}").content.decode()
    assert "Elegy" in page
    assert "Gone" not in page
    none = warden.get("/admin/songs/publication/?state=reported").content.decode()
    assert "Elegy" not in none


def test_what_its_listener_has_withdrawn_is_private_for_operators_too(
    song: Publication, warden: Client
) -> None:
    publishing.withdraw(song.song)
    assert warden.get(admin(song, "audio")).status_code == 403
    reports_before = public(song.song.owner, title="Reported")
    reports.report(reports_before, "a stranger", kind="copy", words="", reporter=None)
    publishing.withdraw(reports_before.song)
    assert warden.get(admin(reports_before, "audio")).status_code == 200


def test_a_song_that_is_taken_down_is_not_offered_to_be_taken_down_again(
    song: Publication, warden: Client
) -> None:
    warden.post(admin(song, "take-down"), {"why": WHY})
    for send in (warden.get, warden.post):
        answer = send(admin(song, "take-down"), {"why": "Another reason"}, follow=True)
        page = answer.content.decode()
        assert "This song is taken down already." in page
        assert "leaves its public page" not in page
    song.refresh_from_db()
    assert song.taken_down_why == WHY


def test_reports_that_are_dealt_with_are_not_offered_to_be_dismissed(
    song: Publication, warden: Client
) -> None:
    answer = warden.get(admin(song, "dismiss"), follow=True)
    assert "No report of this song is open." in answer.content.decode()
    assert "0 open reports" not in answer.content.decode()


def test_a_report_that_comes_while_the_others_are_looked_at_is_not_dismissed_unread(
    song: Publication, warden: Client
) -> None:
    reports.report(song, "a stranger", kind="spam", words="", reporter=None)
    seen = publishing.newest_report(song)
    assert f'name="seen" value="{seen}"' in warden.get(admin(song, "dismiss")).content.decode()
    reports.report(song, "another", kind="copy", words="the Danube", reporter=None)

    refused = warden.post(admin(song, "dismiss"), {"seen": seen})

    page = refused.content.decode()
    assert refused.status_code == 422
    assert "Another report has come since this form was opened." in page
    assert Report.objects.filter(dealt_at=None).count() == 2
    newest = publishing.newest_report(song)
    assert f'name="seen" value="{newest}"' in page
    assert warden.post(admin(song, "dismiss"), {"seen": newest}).status_code == 302
    assert not Report.objects.filter(dealt_at=None).exists()


@pytest.mark.parametrize("act", ["take-down", "put-back", "dismiss"])
def test_a_song_that_its_listener_has_deleted_meanwhile_is_said_to_be_gone(
    song: Publication, warden: Client, act: str
) -> None:
    address = admin(song, act)
    song.song.delete()
    answer = warden.post(address, {"why": WHY})
    assert answer.status_code == 404
    assert "Its listener may have deleted it." in answer.content.decode()
