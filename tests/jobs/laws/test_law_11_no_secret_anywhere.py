"""Law 11, looked at from the other end: a secret is said in every place that there is, and then
looked for in every column of every table, on every page and in the log."""

from __future__ import annotations

import contextlib
import html
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client

from jobs.api import (
    Context,
    Event,
    InvalidEvent,
    InvalidFunction,
    NonRetriableError,
    Secret,
    StepError,
    bulk,
    cancel,
    rerun,
    send,
)
from jobs.cluster.worker_table import PusherStatus, WorkerTable
from jobs.errors import Interrupted
from jobs.execution.requeue import requeue
from jobs.models import Event as EventRow
from jobs.models import LogLine, Run
from jobs.registry import catalog, discovery, unusable
from jobs.registry import rows as registry_rows
from jobs.registry.expressions import why_not
from jobs.registry.options import Cancel, Concurrency, TriggerCron, TriggerEvent
from jobs.runs.claiming import claim_due
from jobs.testing import drain, travel
from songs import credits
from songs.models import Song, User
from tests.songs.making import endpoint, made, says_json
from tests.support import cast
from tests.support.canary import CANARY, pages, pieces_in, rows, shown, tables_of_models
from tests.support.functions import go, registered, the_run
from tests.support.hostile_endpoint import Adversary, Manner, allow, answer, redirect, says

pytestmark = pytest.mark.django_db
HEADERS = {"Authorization": Secret("MODAL_KEY", "Bearer {}"), "X-Key": Secret("MODAL_KEY")}


@pytest.fixture(autouse=True)
def _canary(settings, tmp_path) -> None:
    settings.MODAL_KEY, settings.MEDIA_ROOT = CANARY, tmp_path


@pytest.fixture
def everywhere(caplog, capsys) -> Iterator[None]:
    """Where is looked once the test has said the secret: rows, pages, log and console."""
    caplog.set_level("INFO")
    yield
    look_everywhere()
    assert not pieces_in(caplog.text)
    assert not pieces_in("".join(capsys.readouterr()))


def look_everywhere() -> None:
    for table, row in rows():
        assert not pieces_in(row), (table, row)
    operator = User.objects.filter(username="olga").first() or cast.olga()
    registry_rows.sync()
    browsers = [operator, *User.objects.filter(songs__isnull=False).distinct()]
    for browser in map(as_, browsers):
        for name, address in pages():
            status, page = shown(browser, address)
            assert status < 500 or name == "health-ready", address
            assert not pieces_in(page), (name, address)


def as_(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


# --- what an endpoint says ------------------------------------------------------------------------

SAID = CANARY.encode()


def in_the_body(status: int, wrap: Callable[[str], str] = str) -> list[Manner]:
    """At every offset at which a shortened text may end in the midst of it."""
    offsets = [*range(175, 201), *range(275, 301)]
    return [answer(f"{'.' * n}{wrap(CANARY)}{'.' * 900}".encode(), status) for n in offsets]


MANNERS: dict[str, list[Manner]] = {
    "bodies of 500": in_the_body(500),
    "bodies of 404": in_the_body(404),
    "bodies of 200 that are no JSON": in_the_body(200),
    "bodies in percent": in_the_body(500, lambda s: quote(s, safe="")),
    "bodies in HTML": in_the_body(500, lambda s: html.escape(quote(s))),
    "a body that is one": [answer(SAID, 500)],
    "a body of chunks": [
        says(
            b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"".join(b"1\r\n%c\r\n" % byte for byte in SAID)
            + b"0\r\n\r\n"
        )
    ],
    "a header's value": [answer(b"{}", 200, X_Echo=f"Bearer {CANARY}", ETag=f'"{CANARY}"')],
    "a header's name": [says(b"HTTP/1.1 200 OK\r\nX-" + SAID + b": 1\r\n\r\n{}")],
    "a Retry-After": [answer(b"", 503, Retry_After=CANARY)],
    "a reason phrase": [says(b"HTTP/1.1 500 " + SAID + b"\r\nContent-Length: 0\r\n\r\n")],
    "no HTTP": [says(b"." * n + SAID + b"\r\n\r\n") for n in range(55, 81)],
    "a packing": [answer(b"", 200, Content_Encoding="x" * n + CANARY) for n in range(15, 40)],
    "a charset": [answer(b"x", 500, Content_Type=f"text/plain; charset={CANARY}")],
    "redirects": [
        redirect(f"/result?key={CANARY}"),
        redirect(f"/result?key={quote(CANARY, safe='')}"),
        redirect(f"http://{CANARY}.test/"),
        redirect(f"{CANARY}://x/", 302),
        redirect(f"http://user:{CANARY}@elsewhere.test/", 301),
    ],
    "a host that is too long": [redirect(f"http://{'x' * n}.{CANARY}/") for n in range(60, 80)],
}


@pytest.mark.usefixtures("everywhere")
def test_what_an_endpoint_says(settings) -> None:
    for what, manners in MANNERS.items():
        hear(settings, manners)
        assert the_run().status == "failed", what


def hear(settings: Any, manners: list[Manner]) -> None:
    def asks(ctx: Context) -> None:
        """One request for each manner, what is wrong with it put down as an error of its own."""
        for number in range(len(manners)):
            with contextlib.suppress(StepError):
                got = ctx.step.fetch(f"call {number}", server.url, headers=HEADERS, timeout=5)
                ctx.step.run(f"read {number}", got.json)
        raise NonRetriableError(f"all of it: {CANARY}")

    with Adversary(*manners) as server, registered(asks, retries=0):
        allow(settings, server)
        go()
        drain()
        assert server.heard[0].headers["authorization"] == f"Bearer {CANARY}"


# --- what a function says -------------------------------------------------------------------------


class Told(Exception):
    """An error whose every part holds the secret."""

    hint = CANARY


def raises_it_all() -> None:
    Told.__name__ = Told.__qualname__ = f"Error{CANARY}"
    error = Told(CANARY, {"key": CANARY}, CANARY.encode())
    error.add_note(f"note: {CANARY}")
    raise error from KeyError(f"cause {CANARY}")


def raises_at_the_line() -> None:
    raise ValueError("wQ8k+7q/Zx3Kp=Jv9wTr5Lm")  # the traceback shows this line


def raises_at_every_offset() -> None:
    raise ValueError("\n".join("." * n + CANARY for n in range(0, 4_000, 7)))


SAYINGS: list[Callable[[Context], Any]] = [
    lambda ctx: ctx.step.run("one", raises_it_all),
    lambda ctx: raises_it_all(),
    lambda ctx: ctx.step.run("one", raises_at_the_line),
    lambda ctx: ctx.step.run("one", raises_at_every_offset),
    lambda ctx: ctx.step.run("." * 60 + CANARY, str),
    lambda ctx: ctx.step.run("one", lambda: {CANARY: [CANARY, quote(CANARY)]}),
    lambda ctx: {CANARY: CANARY},
    lambda ctx: [print("." * n + CANARY) for n in range(3_970, 4_001)],
    lambda ctx: [ctx.logger.error("." * n + CANARY) for n in range(3_970, 4_001)],
    lambda ctx: ctx.step.send_event("one", Event(name="e", data={CANARY: CANARY})),
    lambda ctx: ctx.step.send_event("one", Event(name=f"e{CANARY}")),
    lambda ctx: ctx.step.send_event("one", Event(name="e", id=CANARY)),
    lambda ctx: ctx.step.wait_for_event("one", event=f"e{CANARY}", timeout=1),
    lambda ctx: ctx.step.fetch("one", f"http://127.0.0.1:9/{CANARY}"),
    lambda ctx: ctx.step.fetch("one", "http://127.0.0.1:9/", headers={"X": f"a {CANARY}"}),
    lambda ctx: cancel(ctx.run_id, why=f"because of {CANARY}"),
]


@pytest.mark.usefixtures("everywhere")
def test_what_a_function_says(settings) -> None:
    settings.JOBS = settings.JOBS | {"ALLOWED_HOSTS": ["127.0.0.1:9"]}
    for says_it in SAYINGS:
        with registered(says_it, retries=1, on_failure=lambda ctx: {"told": str(ctx.event)}):
            go({"key": CANARY, CANARY: quote(CANARY, safe="")})
            drain()
            travel(timedelta(seconds=2))
            drain()
    assert Run.objects.filter(fn_id="test-function").count() == len(SAYINGS)


# --- what people and settings say -----------------------------------------------------------------


@pytest.mark.usefixtures("everywhere")
def test_what_a_person_says() -> None:
    alice, operator = cast.alice(), cast.olga()
    song = cast.a_song(alice)
    olgas, alices = as_(operator), as_(alice)
    with registered(lambda ctx: ctx.step.sleep("nap", 60)):
        first, second = go(), go()
        drain()
        cancel(first.id, why="." * 3_990 + CANARY)
        bulk("cancel", fn_id="test-function", why=CANARY)
        drain()
        rerun(second.id, data={"key": CANARY})
        edit = f"/admin/jobs/run/{second.id}/edit/"
        olgas.post(edit, {"event_data": f'{{"a": "{CANARY}", "{CANARY}": 1}}'})
        for path in ("rerun", "cancel"):
            data = {"from": "." * 30 + CANARY, "step": CANARY}
            olgas.post(f"/admin/jobs/run/{second.id}/{path}/", data)
    grant = f"/admin/songs/user/{alice.pk}/grant-credits/"
    olgas.post(grant, {"amount": "1", "why": "." * 250 + CANARY})
    credits.grant(alice, 1, why="." * 290 + CANARY)
    alices.post(f"/songs/{song.pk}/rename", {"title": "." * 50 + CANARY})
    wishes = cast.wishes(full_described_song="." * 50 + CANARY)
    alices.post("/songs/", wishes)
    Client().post("/accounts/login/", {"login": "." * 140 + CANARY, "password": "x"})
    assert Song.objects.count() == 2


def test_what_an_event_is_called() -> None:
    for event in (Event(name="." * 60 + CANARY), Event(name="e", id=CANARY)):
        with pytest.raises(InvalidEvent) as refused:
            send(event)
        assert not pieces_in(str(refused.value))


@pytest.mark.parametrize(
    "options",
    [
        {"fn_id": CANARY},
        {"name": CANARY},
        {"concurrency": [Concurrency(limit=1, key=f"'{CANARY}'")]},
        {"trigger": TriggerEvent(event=CANARY)},
        {"trigger": TriggerEvent(event="e", if_exp=f"event.name == '{CANARY}'")},
        {"trigger": TriggerCron(cron="." * 60 + CANARY)},
        {"cancel_on": [Cancel(event=CANARY)]},
        {"trigger": [f"{'.' * 60}{CANARY}"]},
    ],
)
def test_how_a_function_is_configured(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidFunction) as refused, registered(lambda ctx: None, **options):
        pass
    assert not pieces_in(str(refused.value))


def test_a_key_that_takes_a_secret_apart_and_puts_it_together() -> None:
    key = f"'{CANARY[:9]}' + '{CANARY[9:]}'"
    with registered(lambda ctx: None, concurrency=[Concurrency(limit=1, key=key)]):
        keys = go().turn_keys
    assert keys == ['test-function:0:"[MODAL_KEY]"']
    catalog.unregister("test-function")


@pytest.mark.usefixtures("everywhere")
def test_what_the_endpoint_of_the_songs_says(settings) -> None:
    alice = cast.alice()
    wide = "".join(chr(ord(c) + 0xFEE0) for c in CANARY)  # which Unicode takes for the same letters
    reply = {"s3_key": "a.mp3", "cover_image_s3_key": "a.png", "categories": [CANARY, wide]}
    wrong = [{**reply, "s3_key": "." * n + CANARY} for n in range(55, 81, 5)]
    nameless = [{"." * n + CANARY: 1} for n in range(15, 41, 5)]
    manners = [says_json(said) for said in (reply, *wrong, *nameless)]
    with endpoint(settings, *manners):
        credits.grant(alice, len(manners), why="for the test")
        songs = [made(alice) for _ in manners]
    assert [song.is_processed for song in songs].count(True) == 1


# --- what the engine itself says ------------------------------------------------------------------


@pytest.mark.usefixtures("everywhere")
def test_what_comes_again_under_one_id() -> None:
    with registered(lambda ctx: None):
        for n in range(1_960, 2_001, 5):
            go({"n": 1}, id=f"id {n}")
            go({"n": "." * n + CANARY, CANARY: 1}, id=f"id {n}")
    assert all(event.repeat for event in EventRow.objects.all())


@pytest.mark.usefixtures("everywhere")
def test_what_has_interrupted_a_run() -> None:
    with registered(lambda ctx: None):
        for n in range(940, 1_001, 5):
            go()
            (claimed,) = claim_due(10)
            requeue(claimed, Interrupted(ValueError("." * n + CANARY)))
            cancel(claimed.run_id)
    assert LogLine.objects.filter(message__contains="interrupted").count() == 13


def test_a_condition_that_puts_a_secret_together_and_is_neither_true_nor_false() -> None:
    """The expression itself has it in halves, which nothing masks (README); its value is masked."""
    condition = f"'{CANARY[:9]}' + '{CANARY[9:]}'"
    reason = why_not(condition, {})
    assert reason is not None
    assert reason.text == f'“{condition}” is "[MODAL_KEY]", neither true nor false.'


@pytest.mark.parametrize(
    "options",
    [
        {"fn_id": f"set aside {CANARY}"},
        {"name": "." * 190 + CANARY},
        {"retries": "." * 60 + CANARY},
        {"concurrency": [Concurrency(limit=1, key=f"evnt.data.x + '{CANARY}'")]},
    ],
)
@pytest.mark.usefixtures("everywhere")
def test_a_function_that_is_set_aside(monkeypatch, options: dict[str, Any]) -> None:
    for name, empty in (("_refused", {}), ("_unwritten", {}), ("refused", [])):
        monkeypatch.setattr(unusable, name, empty)
    monkeypatch.setattr(apps, "ready", False)
    with registered(lambda ctx: None, **options):
        monkeypatch.setattr(apps, "ready", True)
        registry_rows.sync()
        send(Event(name="test/go"))
        drain()
        told = [*unusable.sentences(), discovery.why_unknown("test-function")]
        assert unusable.sentences()
        assert not pieces_in(" ".join(told))
        look_everywhere()


def test_why_a_cluster_cannot_work() -> None:
    for n in range(470, 501):
        worker_table = WorkerTable()
        worker_table.report_status(PusherStatus(1.0, 1.0, f"\udcc3{'.' * n}{CANARY}"))
        assert not pieces_in(worker_table.pusher_status().problem)


# --- whether the search would find it -------------------------------------------------------------


def test_every_table_of_every_model_is_looked_at() -> None:
    assert tables_of_models() <= set(connection.introspection.table_names())


def test_a_piece_would_be_found() -> None:
    assert pieces_in(f"x{CANARY[3:9]}")
    assert pieces_in(CANARY.upper())
    assert not pieces_in("[MODAL_KEY] and what else rows have")
