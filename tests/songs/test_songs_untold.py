"""A song whose run has ended without telling it: the panel says so, and leads to the hook."""

from __future__ import annotations

import pytest
from django.test import Client

from jobs.api import pause, replay_skipped
from jobs.models import Run
from jobs.registry import rows as registry
from songs.models import SongStatus, User
from tests.jobs.admin.panel import page_of, shown
from tests.songs.making import FN, endpoint, made, order, to_the_end
from tests.support.hostile_endpoint import answer

pytestmark = pytest.mark.django_db
BROKEN = answer(b"CUDA out of memory", 422)
HOOK = f"{FN}-failure"
NOTE = "its run has ended, and has not told it"


def test_its_pages_say_that_the_hook_waits_for_a_replay(
    settings, alice: User, olgas: Client
) -> None:
    registry.sync()
    pause(HOOK)
    with endpoint(settings, BROKEN):
        song = made(alice)
    song.refresh_from_db()
    assert song.status == SongStatus.PROCESSING

    page = shown(olgas, f"/admin/songs/song/{song.pk}/change/")
    assert "Its run has ended, and the song has not been told" in page
    assert "was skipped, and waits for a replay" in page
    assert page_of(Run.objects.get(fn_id=HOOK)) in page
    assert NOTE in shown(olgas, "/admin/songs/song/")
    assert NOTE in shown(olgas, f"/admin/songs/user/{alice.pk}/change/")

    replay_skipped(HOOK)
    to_the_end()
    page = shown(olgas, f"/admin/songs/song/{song.pk}/change/")
    assert "has not been told" not in page
    assert "has told of it" in page
    assert NOTE not in shown(olgas, "/admin/songs/song/")


def test_a_song_whose_run_was_skipped_waits_for_a_replay(alice: User, olgas: Client) -> None:
    pause(FN)
    song = order(alice)
    page = shown(olgas, f"/admin/songs/song/{song.pk}/change/")
    assert "Its run was skipped, since the function was paused, and waits for a replay." in page
    assert "has not been told" not in page
    assert "its run was skipped" in shown(olgas, "/admin/songs/song/")


def test_a_song_in_line_has_nothing_to_be_told(alice: User, olgas: Client) -> None:
    song = order(alice)
    page = shown(olgas, f"/admin/songs/song/{song.pk}/change/")
    assert "has not been told" not in page
    assert NOTE not in shown(olgas, "/admin/songs/song/")
