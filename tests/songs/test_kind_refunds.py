"""An operator gives one credit to each listener whose songs failed in one way, once."""

from __future__ import annotations

import pytest
from django.test import Client

from songs import credits
from songs.models import CreditEntry, EntryKind, Song, SongStatus, User
from tests.songs.conftest import as_
from tests.support import cast, rows
from tests.support.forms import form_of

pytestmark = pytest.mark.django_db
KIND = "call-modal-api · 500 the GPU fell over"
PAGE, SONGS = "/admin/jobs/run/", "/admin/songs/song/"


def failed(owner: User) -> Song:
    song = cast.a_song(owner, status=SongStatus.FAILED)
    event = rows.make_event(data={"songId": str(song.pk), "userId": owner.pk})
    rows.failed_run(event=event, failure_kind=KIND)
    return song


def shown(client: Client) -> str:
    query = {"status__exact": "failed", "open": "1", "kind": KIND}
    return client.get(PAGE, query).content.decode()


def refunds(user: User) -> int:
    return CreditEntry.objects.filter(user=user, kind=EntryKind.REFUND).count()


def test_each_listener_gets_one_credit() -> None:
    alice, bob, client = cast.alice(), cast.bob(), as_(cast.olga())
    songs = [failed(alice), failed(alice), failed(bob)]

    page = shown(client)
    assert "Give 1 credit to each of its 2 listeners" in page
    chosen = [str(song.pk) for song in songs if f'value="{song.pk}"' in page]
    assert len(chosen) == 2
    sent = {"action": "refund_listeners", "index": "0", "_selected_action": chosen}
    confirmation = client.post(SONGS, sent)
    form = form_of(confirmation.content.decode(), "why")
    client.post(SONGS, {**form.fields, **sent, "post": "1", "why": "the studio was ill"})

    assert (refunds(alice), refunds(bob)) == (1, 1)
    assert "Give 1 credit" not in shown(client)


def test_a_listener_that_has_got_one_is_left_out() -> None:
    alice, bob, olga = cast.alice(), cast.bob(), cast.olga()
    credits.refund(failed(alice), why="before", by=olga)
    failed(bob)

    assert "Give 1 credit to its listener" in shown(as_(olga))


def test_an_account_that_may_not_give_credits_is_not_asked() -> None:
    failed(cast.alice())
    vera = cast.staff("vera", "view_run", "view_song", "view_user")

    page = shown(as_(vera))

    assert KIND in page
    assert "Give 1 credit" not in page


def test_what_an_event_says_of_songs_of_others_counts_for_nothing() -> None:
    song, bob = cast.a_song(cast.alice(), status=SongStatus.FAILED), cast.bob()
    for data in ({"songId": str(song.pk), "userId": bob.pk}, {"songId": "x"}, [], {}):
        rows.failed_run(event=rows.make_event(data=data), failure_kind=KIND)

    assert "Give 1 credit" not in shown(as_(cast.olga()))
