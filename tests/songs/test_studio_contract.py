"""The studio answers as the hosted endpoint does: over real HTTP, with real renders."""

from __future__ import annotations

import io
import json
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
import soundfile
from PIL import Image

from songs.studio.calls import Calls
from songs.studio.contract import PATH, Order
from songs.studio.server import LARGEST_BODY, Door, Studio, StudioServer

KEYS = {"Modal-Key": "a-key", "Modal-Secret": "a-secret"}
ORDER = {"full_described_song": "gentle music box lullaby", "audio_duration": 10, "infer_step": 6}
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class Client:
    """A caller of one studio."""

    def __init__(self, server: StudioServer) -> None:
        self.server = server
        self.base = f"http://127.0.0.1:{server.server_address[1]}"
        self.url = self.base + PATH

    def order(self, body: Any = None, **headers: str) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.post(
            self.url, json=ORDER if body is None else body, headers={**KEYS, **named},
            timeout=60, allow_redirects=False,
        )  # fmt: skip

    def raw(self, body: bytes, content_type: str = "application/json") -> requests.Response:
        headers = {**KEYS, "Content-Type": content_type}
        return requests.post(self.url, data=body, headers=headers, timeout=60)

    def get(self, url: str, headers: dict[str, str] = KEYS) -> requests.Response:
        return requests.get(url, headers=headers, timeout=60, allow_redirects=False)


@pytest.fixture
def shelf(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


def open_studio(redirect_after: float = 60.0) -> StudioServer:
    studio = Studio(Door("a-key", "a-secret", redirect_after), Calls(0.0, workers=1))
    server = StudioServer(("127.0.0.1", 0), studio)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


@pytest.fixture
def client(shelf: Path) -> Iterator[Client]:
    server = open_studio()
    yield Client(server)
    server.shutdown()
    server.server_close()


@pytest.fixture
def impatient(shelf: Path) -> Iterator[Client]:
    """A studio that answers 303 after a moment."""
    server = open_studio(redirect_after=0.05)
    yield Client(server)
    server.shutdown()
    server.server_close()


def test_an_order_gives_a_song_a_cover_and_its_categories(client: Client, shelf: Path) -> None:
    reply = client.order()
    assert reply.status_code == 200
    song = reply.json()
    assert set(song) == {"s3_key", "cover_image_s3_key", "categories"}
    assert re.fullmatch(UUID + r"\.mp3", song["s3_key"])
    assert re.fullmatch(UUID + r"\.png", song["cover_image_s3_key"])
    assert 3 <= len(song["categories"]) <= 5
    assert abs(soundfile.info(shelf / song["s3_key"]).duration - 10) < 1.5
    cover = shelf / song["cover_image_s3_key"]
    assert Image.open(io.BytesIO(cover.read_bytes())).size == (1024, 1024)
    assert cover.stat().st_size < 400_000
    assert len(list(shelf.iterdir())) == 2


@pytest.mark.parametrize(
    "headers",
    [{}, {"Modal-Key": "a-key"}, {**KEYS, "Modal-Secret": "wrong"}, {**KEYS, "Modal-Key": "é"}],
)
def test_a_request_without_both_keys_is_refused(client: Client, headers: dict[str, str]) -> None:
    encoded = {name: value.encode() for name, value in headers.items()}
    reply = requests.post(client.url, json=ORDER, headers=encoded, timeout=10)
    assert reply.status_code == 401
    assert "detail" in reply.json()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("full_described_song", ""), ("full_described_song", " \n\t "), ("full_described_song", 7),
        ("full_described_song", None), ("audio_duration", 9.9), ("audio_duration", 240.1),
        ("audio_duration", "long"), ("seed", 1.5), ("seed", "x"), ("guidance_scale", -0.1),
        ("guidance_scale", 30.1), ("infer_step", 0), ("infer_step", 201), ("infer_step", 10**30),
        ("instrumental", "perhaps"),
    ],
)  # fmt: skip
def test_a_bad_field_is_named_as_fastapi_would(client: Client, field: str, value: Any) -> None:
    reply = client.order({**ORDER, field: value})
    assert reply.status_code == 422
    (fault,) = reply.json()["detail"]
    assert fault["loc"] == ["body", field]
    assert {"type", "msg", "input"} <= set(fault)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'"song"', b"\xff\xfe", b"null", b'{"full_described_song": "\\ud83d"}',
     b"[" * 5000, b'{"audio_duration": 10}', b"1" * 6000,
     b'{"full_described_song": "x", "audio_duration": NaN}',
     b'{"full_described_song": "x", "guidance_scale": Infinity}'],
)  # fmt: skip
def test_a_body_that_is_no_order_is_refused_in_json(client: Client, body: bytes) -> None:
    reply = client.raw(body)
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"][0] == "body"


def test_a_body_that_is_not_declared_json_is_refused(client: Client) -> None:
    assert client.raw(b'{"full_described_song": "x"}', "text/plain").status_code == 422


def test_a_body_beyond_the_limit_is_not_read(client: Client) -> None:
    assert client.raw(b"x" * (LARGEST_BODY + 1)).status_code == 413


def test_other_places_and_methods_are_told_so(client: Client) -> None:
    assert client.get(client.base + "/elsewhere").status_code == 404
    assert client.get(client.url).status_code == 405
    assert requests.put(client.url, timeout=10).headers["Allow"] == "POST"
    assert client.get(client.url + "?__modal_function_call_id=fc-unknown").status_code == 404


def test_health_answers_without_keys_while_songs_are_made(client: Client) -> None:
    with ThreadPoolExecutor() as pool:
        song = pool.submit(client.order)
        assert client.get(client.base + "/health", headers={}).json() == {"status": "ok"}
        assert song.result().status_code == 200


def test_a_slow_answer_is_redirected_until_it_is_there(impatient: Client) -> None:
    reply = impatient.order({**ORDER, "seed": 2})
    assert reply.status_code == 303
    assert "__modal_function_call_id=" in reply.headers["Location"]
    assert impatient.get(reply.headers["Location"], headers={}).status_code == 401
    hops = 1
    while reply.status_code == 303:
        assert reply.headers["Location"].startswith(impatient.url)
        result_url = reply.headers["Location"]
        reply, hops = impatient.get(result_url), hops + 1
    assert reply.status_code == 200
    assert hops > 2
    assert impatient.get(result_url).json() == reply.json()
    assert impatient.server.studio.calls.rendered == 1


def test_the_same_key_is_the_same_song_rendered_once(client: Client) -> None:
    with ThreadPoolExecutor() as pool:
        replies = list(pool.map(lambda _: client.order(Idempotency_Key="k1"), range(3)))
    assert len({reply.json()["s3_key"] for reply in replies}) == 1
    assert client.order(Idempotency_Key="k1").json() == replies[0].json()
    assert client.server.studio.calls.rendered == 1


def test_another_key_is_another_file_with_the_same_sound(client: Client, shelf: Path) -> None:
    first, second = (
        client.order(Idempotency_Key="a").json(),
        client.order(Idempotency_Key="b").json(),
    )
    assert first["s3_key"] != second["s3_key"]
    assert (shelf / first["s3_key"]).read_bytes() == (shelf / second["s3_key"]).read_bytes()


def test_a_studio_that_restarts_finds_the_finished_song(client: Client, shelf: Path) -> None:
    song = client.order().json()
    written = (shelf / song["s3_key"]).stat().st_mtime_ns
    server = open_studio()
    assert Client(server).order().json() == song
    assert server.studio.calls.rendered == 0
    assert (shelf / song["s3_key"]).stat().st_mtime_ns == written
    server.shutdown()
    server.server_close()


WITH_LYRICS = {"prompt": "gentle music box", "lyrics": "[verse]\nTwo cats on a roof"}
DESCRIBED = {"prompt": "gentle music box", "described_lyrics": "two cats on a roof"}


@pytest.mark.parametrize(
    ("path", "words"),
    [("/generate_with_lyrics", WITH_LYRICS), ("/generate_with_described_lyrics", DESCRIBED)],
)
def test_the_endpoints_for_lyrics_answer_as_the_first_one_does(
    client: Client, shelf: Path, path: str, words: dict[str, str]
) -> None:
    client.url = client.base + path
    body = {**words, "audio_duration": 10, "infer_step": 6}
    song = client.order(body).json()
    assert set(song) == {"s3_key", "cover_image_s3_key", "categories"}
    assert (shelf / song["s3_key"]).exists()
    assert client.order(body).json() == song
    for missing in words:
        reply = client.order({**body, missing: ""})
        assert reply.status_code == 422
        assert reply.json()["detail"][0]["loc"] == ["body", missing]
    assert client.order(ORDER).status_code == 422
    fails = client.order({**body, next(reversed(words)): "fail always"})
    assert fails.status_code == 500


def test_other_lyrics_are_another_song(client: Client) -> None:
    client.url = client.base + "/generate_with_lyrics"
    keys = {
        client.order({**WITH_LYRICS, "lyrics": sung, "audio_duration": 10, "infer_step": 6}).json()[
            "s3_key"
        ]
        for sung in ("la", "la la")
    }
    assert len(keys) == 2


def test_a_slow_order_with_lyrics_is_redirected_to_its_own_path(impatient: Client) -> None:
    impatient.url = impatient.base + "/generate_with_lyrics"
    reply = impatient.order({**WITH_LYRICS, "audio_duration": 10, "infer_step": 6})
    assert reply.status_code == 303
    assert reply.headers["Location"].startswith(impatient.url + "?")


def test_fail_once_fails_the_first_time_for_each_key(client: Client) -> None:
    body = {**ORDER, "full_described_song": "a lullaby, Fail  Once please"}
    first = client.order(body, Idempotency_Key="a")
    assert first.status_code == 500
    assert first.json()["detail"]
    assert client.order(body, Idempotency_Key="a").status_code == 200
    assert client.order(body, Idempotency_Key="b").status_code == 500


def test_fail_always_never_succeeds(client: Client, shelf: Path) -> None:
    body = {**ORDER, "full_described_song": "FAIL ALWAYS"}
    assert [client.order(body).status_code for _ in range(3)] == [500] * 3
    assert not list(shelf.iterdir())


def test_closing_abandons_a_render_and_leaves_no_half_file(shelf: Path) -> None:
    calls = Calls(0.0, workers=1)
    order = Order(full_described_song="rock", audio_duration=240)
    playing, waiting = calls.place(order, "a"), calls.place(order, "b")
    calls.close()
    replies = [call.wait(30) for call in (playing, waiting)]
    assert [reply and reply.status for reply in replies] == [503, 503]
    assert not list(shelf.iterdir())


def test_a_request_that_makes_no_sense_is_refused_in_json(client: Client) -> None:
    for line in (b"BREW / HTTP/1.1", b"GET http://[ HTTP/1.1"):
        with socket.create_connection(client.server.server_address[:2]) as connection:
            connection.sendall(line + b"\r\nConnection: close\r\n\r\n")
            reply = b"".join(iter(lambda: connection.recv(4096), b""))
        assert json.loads(reply.partition(b"\r\n\r\n")[2])["detail"]
