"""What the listener is told when a song did not come: what failed, no jargon, what it cost."""

from __future__ import annotations

import re
import socket
from typing import Any

import pytest
from django.test import Client

from songs import failure_messages
from songs.failure_messages import (
    ANOTHER,
    CANCELLED,
    FREE,
    NO_CREDITS,
    OUR_FAULT,
    REFUSED,
    TOO_SLOW,
    TROUBLED,
    UNREACHABLE,
    UNUSABLE,
    apology,
)
from songs.models import Song, SongStatus, User
from tests.songs.making import charges, endpoint, made, run_of
from tests.support.hostile_endpoint import allow, answer, promises_10_gb, redirect, says, silent

SENTENCES = [
    UNREACHABLE,
    TOO_SLOW,
    TROUBLED,
    REFUSED,
    UNUSABLE,
    OUR_FAULT,
    NO_CREDITS,
    CANCELLED,
    ANOTHER,
]
JARGON = r"(?i)endpoint|http|json|status|error|exception|null|timeout|retry|run\b|step|\d"


@pytest.mark.parametrize("sentence", SENTENCES)
def test_each_sentence_ends_with_what_it_cost_has_no_jargon_and_fits(sentence: str) -> None:
    assert sentence.endswith(f" {FREE}")
    assert not re.search(JARGON, sentence)
    assert len(sentence) <= Song._meta.get_field("reason").max_length


def test_every_sentence_is_another_one() -> None:
    assert len(set(SENTENCES)) == len(SENTENCES)


@pytest.mark.parametrize(
    "error",
    [
        None,
        {},
        {"name": "Boom", "message": ""},
        {"name": "StepError", "message": "step “set-processing” failed: OperationalError: x"},
        {"name": "StepError", "message": "step “update-song” failed: OperationalError: x"},
        {"name": "StepError", "message": "step “call-modal-api” failed: InvalidStep: no host"},
        {"name": "WorkerLost", "message": "The whole cluster went silent."},
        {"name": "ValueError", "message": "it said: step “call-modal-api” failed: FetchError"},
    ],
    ids=repr,
)
def test_what_is_not_the_services_fault_is_ours(error: dict[str, Any] | None) -> None:
    assert apology(error) == OUR_FAULT


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("manner", "status", "reason"),
    [
        (answer(b"CUDA out of memory", 500), 500, TROUBLED),
        (answer(b"", 503, Retry_After="1"), 503, TROUBLED),
        (answer(b"slow down", 429), 429, TROUBLED),
        (answer(b"answered 401: ha", 500), 500, TROUBLED),
        (answer(b"missing credentials", 401), 401, REFUSED),
        (answer(b'{"detail": []}', 422), 422, REFUSED),
        (answer(b"no such function", 404), 404, REFUSED),
        (redirect("https://elsewhere.example/", 302), None, UNUSABLE),
        (redirect("https://elsewhere.example/", 303), None, UNUSABLE),
        (says(b"220 mail.example ESMTP\r\n"), None, UNUSABLE),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), None, UNUSABLE),
        (promises_10_gb, None, UNUSABLE),
        (answer(b"<html>"), None, UNUSABLE),
        (says(b""), None, UNREACHABLE),
    ],
    ids=[
        "500",
        "503",
        "429",
        "500 that quotes",
        "401",
        "422",
        "404",
        "302",
        "303 elsewhere",
        "not HTTP",
        "broken off",
        "too large",
        "HTML",
        "hung up",
    ],
)
def test_the_sentence_says_what_failed_and_the_operator_sees_the_rest(
    settings, alice: User, manner: Any, status: int | None, reason: str
) -> None:
    with endpoint(settings, manner):
        song = made(alice)
    assert (song.status, song.reason) == (SongStatus.FAILED, reason)
    assert charges(alice) == []
    if status:
        assert f" answered {status}: " in run_of(song).error["message"]


@pytest.mark.django_db
def test_no_server_listens_at_the_services_address(settings, alice: User) -> None:
    with endpoint(settings) as server:
        pass
    song = made(alice)
    assert song.reason == UNREACHABLE
    assert run_of(song).attempts.filter(step_name="call-modal-api").count() == 4
    assert server.heard == []


@pytest.mark.django_db
def test_a_host_whose_name_leads_nowhere(settings, alice: User) -> None:
    settings.GENERATE_FROM_DESCRIPTION = "https://nowhere.invalid/make"
    allow(settings, "nowhere.invalid")
    settings.JOBS = settings.JOBS | {"BACKOFF": [60]}
    assert made(alice).reason == UNREACHABLE


@pytest.mark.django_db
def test_a_service_that_never_answers(settings, alice: User) -> None:
    settings.GENERATION_TIMEOUT = 0.2
    with endpoint(settings, silent):
        song = made(alice)
    assert song.reason == TOO_SLOW
    assert "no whole answer within 0.2 s" in run_of(song).error["message"]


@pytest.mark.django_db
def test_a_listener_that_has_hung_up_its_line(settings, alice: User) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as full:
        settings.GENERATION_TIMEOUT = 0.2
        with endpoint(settings):
            pass
        netloc = f"127.0.0.1:{full.getsockname()[1]}"
        settings.GENERATE_FROM_DESCRIPTION = f"http://{netloc}/make"
        allow(settings, netloc)
        assert made(alice).reason == TOO_SLOW


@pytest.mark.django_db
@pytest.mark.parametrize(
    "broken",
    [
        {"GENERATE_FROM_DESCRIPTION": "http://not-allowed.example/"},
        {"MODAL_KEY": ""},
        {"GENERATION_TIMEOUT": 1_000_000},
    ],
    ids=lambda setting: next(iter(setting)),
)
def test_our_own_wrong_settings_are_our_own_fault(
    settings, alice: User, broken: dict[str, Any]
) -> None:
    with endpoint(settings) as server:
        for name, value in broken.items():
            setattr(settings, name, value)
        song = made(alice)
        assert server.heard == []
    assert song.reason == OUR_FAULT


@pytest.mark.django_db
def test_the_song_s_page_and_json_tell_it_and_nothing_of_the_machinery(
    settings, alice: User, alices: Client
) -> None:
    with endpoint(settings, answer(b"secret internals", 500)):
        song = made(alice)
    page = alices.get(f"/songs/{song.pk}/").content.decode()
    told = alices.get(f"/songs/{song.pk}.json").json()
    assert TROUBLED in page
    assert (told["status"], told["reason"]) == ("failed", TROUBLED)
    assert "internals" not in page + str(told)


def test_the_sentences_are_all_there_is() -> None:
    texts = [value for value in vars(failure_messages).values() if isinstance(value, str)]
    assert {text for text in texts if text.endswith(f" {FREE}")} == set(SENTENCES)
    assert set(failure_messages.BY_CODE.values()) < set(SENTENCES)
