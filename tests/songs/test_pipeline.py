"""A song's way through the engine: five steps, one request, a turn for each listener."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from jobs.execution.executor import execute
from jobs.models import Attempt, Fetch, LogLine, Run, Step
from jobs.runs.claiming import claim_due
from jobs.testing import drain
from songs.models import SongStatus, User
from songs.studio.calls import Calls
from songs.studio.server import Door, Studio, StudioServer
from tests.songs.making import (
    REPLY,
    STEPS,
    charges,
    endpoint,
    made,
    order,
    posts,
    replies,
    run_of,
    to_the_end,
)
from tests.support.hostile_endpoint import Adversary, answer, redirect

pytestmark = pytest.mark.django_db


@pytest.fixture
def server(settings) -> Iterator[Adversary]:
    with endpoint(settings) as server:
        yield server


def test_a_song_goes_through_its_five_steps_and_each_remembers_what_it_did(server, alice: User):
    song = made(alice)
    run = run_of(song)
    assert (run.status, run.output) == ("completed", {"success": True})
    steps = {step.name: step.output for step in run.steps.order_by("position")}
    assert list(steps) == STEPS
    assert steps["check-credits"] == {
        "credits": 3,
        "paid": False,
        "way": "description",
        "body": json.loads(server.heard[0].body),
    }
    assert steps["call-modal-api"]["status_code"] == 200
    assert steps["update-song"] == {
        "audio": REPLY["s3_key"],
        "cover": REPLY["cover_image_s3_key"],
        "categories": REPLY["categories"],
    }
    assert steps["deduct-credits"] == {"kind": "charge", "amount": -1}


def test_the_song_is_there_with_its_cover_and_its_categories(server, alice: User):
    song = made(alice)
    assert (song.status, song.reason) == (SongStatus.PROCESSED, "")
    assert (song.s3_key, song.thumbnail_s3_key) == (REPLY["s3_key"], REPLY["cover_image_s3_key"])
    assert sorted(c.name for c in song.categories.all()) == ["Chamber", "Waltz"]
    assert song.finished_at is not None
    assert song.finished_at > song.created_at


def test_the_request_is_the_endpoints_contract_with_an_explicit_seed(server, alice: User):
    song = made(alice, description="a march", guidance_scale=7.5, instrumental=True)
    [heard] = server.heard
    assert heard.method == "POST"
    assert json.loads(heard.body) == {
        "full_described_song": "a march",
        "audio_duration": 60.0,
        "guidance_scale": 7.5,
        "infer_step": 60,
        "instrumental": True,
        "seed": song.seed,
    }
    assert song.seed >= 0


def test_the_request_carries_the_key_pair_and_no_row_does(server, settings, alice: User):
    settings.MODAL_KEY, settings.MODAL_SECRET = "canary-key", "canary-secret"
    made(alice)
    [heard] = server.heard
    assert heard.headers["modal-key"] == "canary-key"
    assert heard.headers["modal-secret"] == "canary-secret"
    assert heard.headers["content-type"] == "application/json"
    rows = [list(model.objects.values()) for model in (Run, Step, Attempt, LogLine, Fetch)]
    assert "canary" not in repr(rows)


def test_two_songs_with_the_same_words_are_asked_for_with_different_seeds(server, alice: User):
    made(alice)
    made(alice)
    first, second = (json.loads(heard.body) for heard in server.heard)
    assert first.pop("seed") != second.pop("seed")
    assert first == second


def test_a_303_is_followed_and_the_song_is_ordered_once(settings, alice: User):
    with endpoint(settings, redirect("/make?result=1"), replies()) as server:
        song = made(alice)
        assert [heard.method for heard in server.heard] == ["POST", "GET"]
        assert server.heard[1].headers["modal-key"] == settings.MODAL_KEY
    assert song.status == SongStatus.PROCESSED


def test_a_listeners_songs_are_made_one_after_the_other(server, alice: User):
    first, second = order(alice), order(alice)
    drain_until_a_request_is_waiting()
    assert [run_of(song).status for song in (first, second)] == ["waiting", "queued"]
    assert run_of(second).reason == "turn"
    to_the_end()
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.is_processed
    assert second.is_processed
    assert first.finished_at < second.finished_at


def test_a_song_that_backs_off_keeps_its_listeners_turn(settings, alice: User):
    with endpoint(settings, answer(b"", 500), replies()) as server:
        first, second = order(alice), order(alice)
        drain()
        assert [run_of(song).reason for song in (first, second)] == ["backoff", "turn"]
        assert posts(server) == 1
        to_the_end()
    assert {run_of(song).status for song in (first, second)} == {"completed"}


def test_two_listeners_are_served_at_the_same_time(server, alice: User, bob: User):
    hers, his = order(alice), order(bob)
    drain_until_a_request_is_waiting()
    assert [run_of(song).reason for song in (hers, his)] == ["fetch", "fetch"]
    to_the_end()
    assert charges(alice) == charges(bob) == [("charge", -1)]


def drain_until_a_request_is_waiting() -> None:
    """What workers do, without a gateway."""
    while claims := claim_due(10):
        for claimed in claims:
            execute(claimed)


def test_the_studio_is_an_endpoint_like_any_other(settings, alice: User):
    studio = Studio(Door("studio-key", "studio-secret"), Calls(0.0, workers=1))
    server = StudioServer(("127.0.0.1", 0), studio)
    settings.MODAL_KEY, settings.MODAL_SECRET = "studio-key", "studio-secret"
    with endpoint(settings):  # for its settings
        host, port = server.server_address[:2]
    settings.GENERATE_FROM_DESCRIPTION = f"http://{host}:{port}/generate_from_description"
    settings.JOBS = settings.JOBS | {"ALLOWED_HOSTS": [f"{host}:{port}"]}
    serving = threading.Thread(target=server.serve_forever, args=(0.02,))
    serving.start()
    try:
        song = made(alice, description="fail once, then a slow waltz", audio_duration=10.0)
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
    assert song.is_processed
    assert 3 <= song.categories.count() <= 5
    assert (settings.MEDIA_ROOT / song.s3_key).read_bytes()[:3] == b"ID3"
    errors = run_of(song).attempts.filter(status="error")
    assert [error.step_name for error in errors] == ["call-modal-api"]
    assert "answered 500" in errors[0].error_message
    assert charges(alice) == [("charge", -1)]
