"""No song for nothing: a song is charged in the commit in which it becomes playable. One that was
made under an earlier version is charged by its last step, or when it is deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client

from jobs.api import rerun
from jobs.execution import unit_of_work
from jobs.execution.executor import execute
from jobs.execution.observer import NullObserver
from jobs.runs.claiming import claim_due
from jobs.testing import drain
from songs import credits, functions
from songs.deletion import delete_song
from songs.models import Song, User
from tests.songs.making import (
    REPLY,
    charges,
    endpoint,
    made,
    order,
    posts,
    run_of,
    to_the_end,
)
from tests.support.blocking import others, wait_until_blocked
from tests.support.cast import a_song
from tests.support.hostile_endpoint import Adversary

pytestmark = pytest.mark.django_db(transaction=True)
PAID = [("charge", -1)]


@pytest.fixture
def server(settings) -> Iterator[Adversary]:
    for key in (REPLY["s3_key"], REPLY["cover_image_s3_key"]):
        default_storage.save(key, ContentFile(b"the song"))
    with endpoint(settings) as server:
        yield server


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step commits by itself."""
    monkeypatch.setattr(unit_of_work, "MAX_OPEN", 0.0)


def just_before(monkeypatch: pytest.MonkeyPatch, step: str, happens: Callable[[], Any]) -> None:
    body = getattr(functions, step)

    def later(*args: Any) -> Any:
        with others() as start:
            start(happens).result(10)
        return body(*args)

    monkeypatch.setattr(functions, step, later)


def heard_and_deleted(browser: Client) -> tuple[int, int]:
    song = Song.objects.get()
    heard = browser.get(f"/songs/{song.pk}/audio")
    b"".join(heard)
    deleted = browser.post(f"/songs/{song.pk}/delete").status_code
    assert delete_song(song)  # what its run does when the minute is over
    return heard.status_code, deleted


def as_made_by_an_earlier_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its update-song did not charge."""
    monkeypatch.setattr(functions.credits, "charge", lambda song: None)


def test_a_song_that_is_heard_and_deleted_before_the_last_step_is_paid(
    server, one_by_one, alice: User, alices: Client, monkeypatch
) -> None:
    did: list[tuple[int, int]] = []
    just_before(monkeypatch, "deduct_credits", lambda: did.append(heard_and_deleted(alices)))
    song = order(alice)
    to_the_end()
    assert did == [(200, 303)]
    assert (charges(alice), credits.balance(alice).credits) == (PAID, 2)
    assert run_of(song).status == "completed"
    assert not default_storage.exists(REPLY["s3_key"])


def test_what_is_not_charged_is_not_played_however_the_steps_commit(
    server, alice: User, alices: Client, monkeypatch
) -> None:
    heard: list[int] = []

    def listen() -> None:
        heard.append(alices.get(f"/songs/{song.pk}/audio").status_code)

    just_before(monkeypatch, "deduct_credits", listen)
    song = order(alice)
    to_the_end()
    assert (heard, charges(alice)) == ([404], PAID)


def test_a_run_that_remembers_a_song_without_a_charge_is_charged_by_its_last_step(
    server, one_by_one, alice: User, monkeypatch
) -> None:
    song = order(alice)
    with pytest.MonkeyPatch.context() as earlier:
        as_made_by_an_earlier_version(earlier)
        stop_after(earlier, "update_song")
        drain()
    song.refresh_from_db()
    assert (song.is_processed, charges(alice)) == (True, [])
    drain()
    assert (charges(alice), posts(server)) == (PAID, 1)
    assert run_of(song).steps.get(name="deduct-credits").output == {"kind": "charge", "amount": -1}


def stop_after(patch: pytest.MonkeyPatch, step: str) -> None:
    """The cluster is told to stop while this step is under way; it puts the run down after it."""
    body, advance = getattr(functions, step), execute
    watch = Stopping()

    def stops(*args: Any) -> Any:
        watch.is_stopping = True
        return body(*args)

    patch.setattr(functions, step, stops)
    patch.setattr("jobs.testing.draining.execute", lambda claimed: advance(claimed, watch))
    patch.setattr(
        "jobs.testing.draining.claim_due",
        lambda n, who: [] if watch.is_stopping else claim_due(n, who),
    )
    patch.setattr("jobs.runs.claiming.next_due", lambda at_most: at_most)


class Stopping(NullObserver):
    is_stopping = False


def test_deleting_it_before_that_charges_it_once(
    server, one_by_one, alice: User, alices: Client
) -> None:
    song = order(alice)
    with pytest.MonkeyPatch.context() as earlier:
        as_made_by_an_earlier_version(earlier)
        stop_after(earlier, "update_song")
        drain()
    assert heard_and_deleted(alices) == (200, 303)
    assert charges(alice) == PAID
    to_the_end()
    assert (charges(alice), run_of(song).status) == (PAID, "completed")


def test_a_song_that_is_deleted_while_it_is_in_flight_is_free_and_leaves_no_files(
    server, alice: User
) -> None:
    song = order(alice)
    for claimed in claim_due(10):
        execute(claimed)
    song.delete()
    to_the_end()
    assert (charges(alice), run_of(song).status) == ([], "failed")
    assert not default_storage.exists(REPLY["s3_key"])
    assert not default_storage.exists(REPLY["cover_image_s3_key"])


def test_files_that_another_song_has_stay(server, alice: User) -> None:
    other = a_song(alice, s3_key=REPLY["s3_key"])
    song = order(alice)
    for claimed in claim_due(10):
        execute(claimed)
    song.delete()
    to_the_end()
    assert default_storage.exists(other.s3_key)
    assert not default_storage.exists(REPLY["cover_image_s3_key"])


def test_the_last_step_alone_charges_no_song_that_is_not_there(server, alice: User) -> None:
    """As an operator may ask for it: from this step on, for another song."""
    first, second = made(alice), a_song(alice, status="failed")
    data = {"songId": str(second.pk), "userId": alice.pk}
    rerun(run_of(first).id, from_step="deduct-credits", data=data)
    to_the_end()
    assert charges(alice) == PAID
    second.refresh_from_db()
    assert second.status == "failed"


# --- at the same moment ---------------------------------------------------------------------------


def test_a_deletion_waits_for_the_song_that_is_being_charged(
    server, alice: User, monkeypatch
) -> None:
    """Both take the listener's row first, and then the song's."""
    charge, deleted = credits.charge, []
    with others() as start:

        def slowly(song: Song) -> Any:
            entry = charge(song)
            if not deleted:
                deleted.append(start(lambda: delete_song(song)))
                wait_until_blocked(1)
            return entry

        monkeypatch.setattr(functions.credits, "charge", slowly)
        song = order(alice)
        to_the_end()
        assert deleted[0].result(10) is True
    assert (charges(alice), Song.objects.count()) == (PAID, 0)
    assert run_of(song).status == "completed"
