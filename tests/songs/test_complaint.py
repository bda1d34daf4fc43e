"""A complaint on one page: what a listener sees, what it cost, and what an operator does about it,
once."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.test import Client

from jobs.control.form_submissions import FIELD
from jobs.models import Event, Run
from songs import credits
from songs.models import CreditEntry, EntryKind, Song, SongStatus, User
from tests.songs.conftest import as_
from tests.support import rows
from tests.support.cast import a_song, listener, staff
from tests.support.forms import form_of
from tests.support.functions import at_once

pytestmark = pytest.mark.django_db
SONGS, USERS = "/admin/songs/song/", "/admin/songs/user/"


def failed(owner: User, words: str = "a ballad about my dog Biscuit", **changes: Any) -> Song:
    reason = "The music service had a problem. It cost you nothing."
    return a_song(owner, words, status=SongStatus.FAILED, reason=reason, **changes)


def with_run(owner: User) -> tuple[Song, Run]:
    run = rows.failed_run()
    return failed(owner, event_id=run.event_id), run


def page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def press(client: Client, address: str, **fields: str) -> Any:
    """Open the page of an act, and send its form as a browser would."""
    form = form_of(page(client, address), FIELD)
    return client.post(address, {**form.fields, **fields})


def said(answer: Any) -> str:
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


def refunds(user: User) -> int:
    return CreditEntry.objects.filter(user=user, kind=EntryKind.REFUND).count()


# --- the page ---


def test_the_listeners_page_tells_of_each_song_why_what_it_cost_and_its_run(
    olgas: Client, alice: User
) -> None:
    song, run = with_run(alice)
    credits.charge(a_song(alice))
    shown = page(olgas, f"{USERS}{alice.pk}/change/")
    assert f"/admin/songs/song/{song.pk}/change/" in shown
    assert "The music service had a problem." in shown
    assert f"/admin/jobs/run/{run.pk}/change/" in shown
    assert f"/admin/songs/song/{song.pk}/again/" in shown
    assert f"/admin/songs/song/{song.pk}/refund/" in shown
    assert 'name="email"' not in shown


def test_its_other_tab_is_the_form_of_the_account(olgas: Client, alice: User) -> None:
    shown = page(olgas, f"{USERS}{alice.pk}/change/?tab=access")
    assert 'name="email"' in shown
    assert "for the test" not in shown


def test_a_form_with_an_error_comes_back_in_its_tab(olgas: Client, alice: User) -> None:
    answer = olgas.post(f"{USERS}{alice.pk}/change/", {"username": "", "email": "none"})
    assert "Enter a valid email address." in answer.content.decode()


def test_a_song_that_is_being_made_offers_nothing(olgas: Client, alice: User) -> None:
    song = a_song(alice, status=SongStatus.PROCESSING)
    shown = page(olgas, f"{USERS}{alice.pk}/change/") + page(olgas, f"{SONGS}{song.pk}/change/")
    assert "/again/" not in shown
    assert "/refund/" not in shown


# --- make again ---


def test_an_operator_has_a_song_made_again_and_the_listener_pays(
    olgas: Client, olga: User, alice: User
) -> None:
    song = failed(alice)
    address = f"{SONGS}{song.pk}/again/"
    assert "<strong>alice pays</strong>" in page(olgas, address)

    answer = press(olgas, address)

    made = Song.objects.exclude(pk=song.pk).get()
    assert answer["Location"] == f"{SONGS}{made.pk}/change/"
    assert (made.owner, made.status, made.wish) == (alice, SongStatus.QUEUED, song.wish_id)
    assert Event.objects.get(pk=made.event_id).data["userId"] == alice.pk
    lines = LogEntry.objects.filter(user=olga).order_by("id")
    assert [line.object_id for line in lines] == [str(song.pk), str(made.pk)]
    assert User.objects.get(pk=alice.pk).credits == 3


def test_the_same_form_makes_one_song(olgas: Client, alice: User) -> None:
    address = f"{SONGS}{failed(alice).pk}/again/"
    form = form_of(page(olgas, address), FIELD)
    answers = [olgas.post(address, form.fields) for _ in range(2)]
    assert answers[0]["Location"] == answers[1]["Location"]
    assert "sent before" in said(answers[1])
    assert Song.objects.count() == 2
    assert LogEntry.objects.count() == 2


def test_a_listener_without_a_free_credit_gets_no_song(olgas: Client) -> None:
    song = failed(listener("penny", credits_=0))
    answer = press(olgas, f"{SONGS}{song.pk}/again/")
    assert answer.status_code == 422
    assert "penny has no free credit" in answer.content.decode()
    assert Song.objects.count() == 1
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("status", [SongStatus.PROCESSED, SongStatus.QUEUED])
def test_a_song_that_needs_no_second_try_gets_none(
    olgas: Client, alice: User, status: SongStatus
) -> None:
    answer = press(olgas, f"{SONGS}{a_song(alice, status=status).pk}/again/")
    assert answer.status_code == 422
    assert "This song needs no second try." in answer.content.decode()


# --- give the credit back ---


def test_an_operator_gives_the_credit_of_a_song_back(
    olgas: Client, olga: User, alice: User
) -> None:
    song = failed(alice)
    address = f"{SONGS}{song.pk}/refund/"
    assert "A ballad about my dog Biscuit” did not come" in page(olgas, address)

    answer = press(olgas, address, why="“Biscuit” did not come")

    entry = CreditEntry.objects.get(kind=EntryKind.REFUND)
    assert (entry.user, entry.song, entry.amount, entry.by) == (alice, song, 1, olga)
    assert (entry.why, entry.balance) == ("“Biscuit” did not come", 4)
    assert "+1 credit for alice, who has 4 credits now." in said(answer)
    assert LogEntry.objects.get().change_message == "Gave 1 credit back: “Biscuit” did not come"
    assert "nothing, 1 given" in page(olgas, f"{USERS}{alice.pk}/change/")


def test_the_same_form_gives_one_credit(olgas: Client, alice: User) -> None:
    address = f"{SONGS}{failed(alice).pk}/refund/"
    fields = form_of(page(olgas, address), FIELD).fields
    for _ in range(2):
        assert olgas.post(address, {**fields, "why": "x"}).status_code == 302
    assert refunds(alice) == LogEntry.objects.count() == 1


def test_a_second_credit_for_a_song_is_asked_back(olgas: Client, olga: User, alice: User) -> None:
    address = f"{SONGS}{failed(alice).pk}/refund/"
    press(olgas, address, why="x")

    asked = press(olgas, address, why="y")

    shown = asked.content.decode()
    assert asked.status_code == 422
    assert "A credit for this song was given back on" in shown
    assert "UTC by olga." in shown
    assert 'type="checkbox" name="once_more"' in shown
    assert refunds(alice) == 1
    assert press(olgas, address, why="y", once_more="on").status_code == 302
    assert refunds(alice) == 2


@pytest.mark.django_db(transaction=True)
def test_two_operators_at_once_give_one_credit(alice: User) -> None:
    address = f"{SONGS}{failed(alice).pk}/refund/"
    browsers = [as_(staff(name, "view_song", "grant_credits")) for name in ("sam", "tim", "uli")]
    answers = at_once(*[lambda b=b: press(b, address, why="x").status_code for b in browsers])
    assert sorted(answers) == [302, 422, 422]
    assert refunds(alice) == 1


def test_a_credit_for_a_song_that_is_being_made_is_not_given(olgas: Client, alice: User) -> None:
    song = a_song(alice, status=SongStatus.QUEUED)
    answer = olgas.post(f"{SONGS}{song.pk}/refund/", {"why": "x"})
    assert "is being made. Wait until that has ended." in said(answer)
    assert refunds(alice) == 0


def test_an_empty_reason_is_a_sentence_beside_the_field(olgas: Client, alice: User) -> None:
    answer = press(olgas, f"{SONGS}{failed(alice).pk}/refund/", why=" ")
    assert answer.status_code == 422
    assert "This field is required." in answer.content.decode()
    assert refunds(alice) == 0


# --- the listeners of many songs ---


def chosen(client: Client, songs: list[Song], **fields: str) -> Any:
    ids = [str(song.pk) for song in songs]
    form = {"action": "refund_listeners", "_selected_action": ids}
    return client.post(SONGS, form | fields)


def test_each_listener_of_many_songs_gets_one_credit(olgas: Client, alice: User, bob: User) -> None:
    songs = [failed(alice), failed(alice), failed(bob), a_song(bob, status=SongStatus.QUEUED)]
    asked = chosen(olgas, songs)
    shown = asked.content.decode()
    assert "<strong>2 listeners</strong> get 1 credit each" in shown
    assert "1 song is being made: left out." in shown
    assert refunds(alice) == 0
    token = form_of(shown, "refund_listeners").fields[FIELD]

    answers = [chosen(olgas, songs, post="yes", why="A broken night", form_token=token)] * 2

    assert "1 credit to 2 listeners." in said(answers[0])
    assert (refunds(alice), refunds(bob)) == (1, 1)
    assert LogEntry.objects.count() == 2
    assert "1 song was left alone: it is being made." in said(answers[0])


def test_the_credits_of_many_songs_say_which_listeners_were_left_alone_and_why(
    olgas: Client, alice: User, bob: User
) -> None:
    songs = [failed(alice), failed(bob), failed(staff("carl"))]
    credits.refund(songs[0], why="x", by=None)
    sam = as_(staff("sam", "view_song", "grant_credits"))

    text = said(chosen(sam, songs, post="yes", why="A broken night"))

    assert "1 credit to 1 listener." in text
    assert "1 listener was left alone: a credit for one of these songs was given before." in text
    assert "1 account was left alone: it has rights" in text
    assert "being made" not in text


def another_is_quicker(with_songs: list[Song], monkeypatch: pytest.MonkeyPatch) -> None:
    give = credits.refund

    def refund(song: Song, **given: Any) -> Any:
        if song in with_songs and not refunds(song.owner):
            give(song, why="another operator, just now", by=None)
        return give(song, **given)

    monkeypatch.setattr(credits, "refund", refund)


def test_an_operator_that_another_was_quicker_than_is_told_whom_that_left_alone(
    olgas: Client, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    songs = [failed(alice), failed(bob)]
    another_is_quicker(songs[:1], monkeypatch)
    text = said(chosen(olgas, songs, post="yes", why="A broken night"))

    assert "1 credit to 1 listener." in text
    assert "1 listener was left alone: a credit for one of these songs was given before." in text
    assert (refunds(alice), refunds(bob)) == (1, 1)


def test_where_another_operator_was_quicker_with_all_of_them_no_credit_is_announced(
    olgas: Client, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    songs = [failed(alice), failed(bob)]
    another_is_quicker(songs, monkeypatch)
    text = said(chosen(olgas, songs, post="yes", why="A broken night"))
    assert "0 listeners" not in text
    assert "2 listeners were left alone: credits for some of these songs were given before." in text


def test_listeners_that_have_got_a_credit_are_left_out(
    olgas: Client, alice: User, bob: User
) -> None:
    songs = [failed(alice), failed(bob)]
    credits.refund(songs[0], why="x", by=None)
    shown = chosen(olgas, songs).content.decode()
    assert "<strong>1 listener</strong> gets 1 credit" in shown
    assert "1 listener got a credit for one of these songs before: left out." in shown
    chosen(olgas, songs, post="yes", why="x", form_token="")
    assert (refunds(alice), refunds(bob)) == (1, 1)


def test_the_same_selection_in_a_second_tab_gives_nothing_twice(olgas: Client, alice: User) -> None:
    songs = [failed(alice), failed(alice)]
    for token in ("6a0b1ad5-1d3f-4a5c-9a39-30a45fb7d9a1", "6a0b1ad5-1d3f-4a5c-9a39-30a45fb7d9a2"):
        chosen(olgas, songs, post="yes", why="x", form_token=token)
    assert refunds(alice) == 1


def test_staff_is_left_out_unless_a_superuser_asks(olgas: Client, alice: User) -> None:
    songs = [failed(alice), failed(staff("carl"))]
    sam = as_(staff("sam", "view_song", "grant_credits"))
    assert "1 account has rights" in chosen(sam, songs).content.decode()
    assert "2 listeners" in chosen(olgas, songs).content.decode()
