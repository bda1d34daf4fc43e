"""Slips at the engine's door, of every kind that a hurried author makes: each is a JobsError that
says what was given and what is allowed, or it is accepted and runs. Never an error of Python's or
of the database's, which says neither and comes later."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest

from jobs import api
from jobs.api import (
    Context,
    Event,
    JobsError,
    Secret,
    bulk,
    cancel,
    pause,
    replay_skipped,
    rerun,
    send,
)
from jobs.models import Event as EventRow
from jobs.models import Run
from jobs.testing import drain
from tests.support.functions import go, ran, registered, the_run

pytestmark = pytest.mark.django_db

NAIVE = datetime(2030, 1, 1)
HUGE = 10**5000


class Unsure(tzinfo):
    """A zone that does not know how far from UTC it is: what has it is as naive as without."""

    def utcoffset(self, moment: datetime | None) -> None:
        return None


class Mute:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


class Kind(str, Enum):  # noqa: UP042
    GO = "test/go"


NOT_TEXTS = [None, 5, HUGE, True, b"x", [], {}, Mute(), object]
NOT_FIT = ["", " ", "a\0b", "\ud800", "x" * 10_000]


def is_a_sentence(error: JobsError) -> bool:
    text = str(error)
    return len(text) > 15 and len(text) < 3_000


# --- send -----------------------------------------------------------------------------------------

SENT = [
    *[given for given in NOT_TEXTS if given != []],
    "x",
    Event,
    [None],
    [Event(name="test/go"), "x"],
    [[Event(name="test/go")]],
    {"name": "test/go"},
    {Event: 1},
    *[Event(name=name) for name in [*NOT_TEXTS, *NOT_FIT]],
    *[Event(name="test/go", id=id) for id in [*NOT_TEXTS, *NOT_FIT[2:]]],
    *[Event(name="test/go", data=data) for data in [None, 5, "x", [], [("a", 1)], Mute()]],
    *[
        Event(name="test/go", data={"a": item})
        for item in [Mute(), b"x", {1, 2}, Decimal("NaN"), HUGE]
    ],
    *[Event(name="test/go", ts=ts) for ts in ["5", None, 1.5, True, -1, HUGE, NAIVE, b"", []]],
    Event(name="test/go", ts=datetime(2030, 1, 1, tzinfo=Unsure())),
    Event(name="test/go", ts=datetime.max.replace(tzinfo=timezone(-timedelta(hours=14)))),
    Event(name="test/go", ts=datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))),
]


@pytest.mark.parametrize("given", SENT, ids=map(str, range(len(SENT))))
def test_what_is_sent(given: Any):
    with registered(lambda ctx: "fine"), pytest.raises(JobsError) as raised:
        send(given)
    assert is_a_sentence(raised.value)
    assert not EventRow.objects.exists()


def test_no_events_are_no_events():
    assert send([]) == []


def test_a_generator_that_raises_raises_its_own_error_and_nothing_is_sent():
    def events():
        yield Event(name="test/go")
        raise LookupError("the author's own")

    with pytest.raises(LookupError, match="the author's own"):
        send(events())
    assert not EventRow.objects.exists()


def test_a_member_of_an_enumeration_of_texts_is_its_text():
    with registered(lambda ctx: ctx.step.run(Kind.GO, lambda: ctx.event.name), fn_id=Kind.GO):
        send(Event(name=Kind.GO, id=Kind.GO))
        drain()
    run = the_run("test/go")
    assert (run.output, run.steps.get().name, run.event.dedupe_id) == ("test/go",) * 3


# --- steps ----------------------------------------------------------------------------------------

NO_SPANS = ["5", None, float("nan"), float("inf"), -1, -0.1, True, HUGE, 1e300, [], b"", Mute()]
NO_SPANS += [timedelta.max, timedelta(days=-1), Decimal("NaN"), 366 * 86_400 + 1]
PAST = [-1, -0.1, timedelta(days=-1)]  # no wait ends before it begins; a sleep may be over
NO_NAMES = [*NOT_TEXTS, *NOT_FIT]
NO_EXPRESSIONS = [5, HUGE, True, b"x", [], "", "a\0b", "\ud800", "event..x", "x" * 10_000, Mute()]


Calls = list[tuple[str, Any]]  # what is wrong, and a step that is asked for in that way


def steps() -> Calls:
    found: Calls = []

    def add(name: str, call: Any) -> None:
        found.append((name, call))

    for id in [*NOT_TEXTS, *NOT_FIT]:
        add("id", lambda s, u, id=id: s.run(id, lambda: 1))
    for fn in [None, 5, "x", Mute()]:
        add("run", lambda s, u, fn=fn: s.run("s", fn))
    for span in NO_SPANS:
        if span not in PAST:
            add("sleep", lambda s, u, span=span: s.sleep("s", span))
        add("wait", lambda s, u, span=span: s.wait_for_event("s", event="test/x", timeout=span))
        add("invoke", lambda s, u, span=span: s.invoke("s", function="test-function", timeout=span))
        if span != True:  # noqa: E712
            add("fetch timeout", lambda s, u, span=span: s.fetch("s", u, timeout=span))
    for when in [None, 5, HUGE, "2030-01-01", NAIVE, NAIVE.replace(tzinfo=Unsure()), NAIVE.date()]:
        add("sleep_until", lambda s, u, when=when: s.sleep_until("s", when))
    add("sleep_until", lambda s, u: s.sleep_until("s", datetime.max.replace(tzinfo=UTC)))
    for name in NO_NAMES:
        add("wait name", lambda s, u, n=name: s.wait_for_event("s", event=n, timeout=5))
    for source in NO_EXPRESSIONS:
        add(
            "wait if",
            lambda s, u, x=source: s.wait_for_event("s", event="test/x", timeout=5, if_exp=x),
        )
    for function in [*NOT_TEXTS, *NOT_FIT]:
        add("invoke fn", lambda s, u, f=function: s.invoke("s", function=f))
    for data in [5, "x", [], [1], b"", False, Mute(), {"a": Mute()}]:
        add("invoke data", lambda s, u, d=data: s.invoke("s", function="test-function", data=d))
    for sent in [None, 5, "x", Event(name=""), [Event(name="test/x"), None]]:
        add("send_event", lambda s, u, e=sent: s.send_event("s", e))
    for branches in [None, 5, "x", [5], [None], [lambda: 1, "x"]]:
        add("parallel", lambda s, u, b=branches: s.parallel(b))
    return found


def requests() -> Calls:
    found: Calls = []

    def add(name: str, call: Any) -> None:
        found.append((name, call))

    for url in [*NOT_TEXTS, *NOT_FIT, "ftp://x", "http://", "http://[", "//x", "http://x:99999/"]:
        add("fetch url", lambda s, u, url=url: s.fetch("s", url))
    for tail in ["/a b\n", "/\0", "/\ud800"]:
        add("fetch url", lambda s, u, tail=tail: s.fetch("s", u + tail))
    for method in [*NOT_TEXTS, *NOT_FIT, "BREW", "GET "]:
        add("fetch method", lambda s, u, m=method: s.fetch("s", u, method=m))
    for headers in [5, "x", ["X"], [("X", "y")], b"", Mute()]:
        add("fetch headers", lambda s, u, h=headers: s.fetch("s", u, headers=h))
    for name in [*NOT_TEXTS, *NOT_FIT[:-1], "a b", "a:", "é", "x\r\ny", "x" * 70_000]:
        if not isinstance(name, list | dict):
            add("fetch header name", lambda s, u, n=name: s.fetch("s", u, headers={n: "x"}))
    for value in [None, HUGE, True, b"x", [], Mute(), "a\nb", "a\0", " a", "a ", "\ud800", "\x7f"]:
        add("fetch header value", lambda s, u, v=value: s.fetch("s", u, headers={"X": v}))
    add("fetch header twice", lambda s, u: s.fetch("s", u, headers={"X-A": "1", "x-a": "2"}))
    add("fetch large header", lambda s, u: s.fetch("s", u, headers={"X": "ü" * 40_000}))
    for name in [None, 5, "", "NO_SUCH_SETTING", "a\0b"]:
        add("fetch secret", lambda s, u, n=name: s.fetch("s", u, headers={"X": Secret(n)}))
    for data in [5, b"x", {}, [], Mute(), "a\0", "\ud800", "x" * (4 * 2**20 + 1)]:
        add("fetch data", lambda s, u, d=data: s.fetch("s", u, method="POST", data=d))
    for json in [Mute(), b"x", {1: 1, "1": 2}, HUGE, "\ud800", float("nan"), "x" * (4 * 2**20)]:
        add("fetch json", lambda s, u, j=json: s.fetch("s", u, method="POST", json=j))
    add("fetch both", lambda s, u: s.fetch("s", u, json={}, data=""))
    return found


CALLS = {f"{name} {number}": call for number, (name, call) in enumerate(steps() + requests())}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_step_that_is_asked_for_in_a_wrong_way_is_its_functions_last_error(call, endpoint):
    raised: list[BaseException] = []

    def handler(ctx: Context) -> None:
        try:
            call(ctx.step, ctx.event.data["url"])
        except Exception as error:
            raised.append(error)
            raise

    run = ran(handler, {"url": endpoint.url}, retries=2)
    (error,) = raised
    assert isinstance(error, JobsError)
    assert is_a_sentence(error)
    is_final = not isinstance(error, api.UnknownFunction)  # a deployment may bring it
    assert run.status == ("failed" if is_final else "waiting")
    assert run.attempts.count() == 1
    assert (endpoint.asked, Run.objects.count()) == ([], 1)


ASKED = {
    "a timedelta": {"timeout": timedelta(seconds=5)},
    "a number as a header": {"headers": {"X-Count": 5, "X-Share": 0.5}},
    "letters of any language": {"headers": {"X-Title": "Größe 🎵"}},
    "its own key": {"headers": {"idempotency-key": "mine", "content-type": "text/x"}, "json": {}},
    "a lower-case method": {"method": "post", "data": "größe"},
}


@pytest.mark.parametrize("options", ASKED.values(), ids=ASKED)
def test_a_request_that_is_accepted_arrives(options, endpoint):
    run = ran(lambda ctx: ctx.step.fetch("s", endpoint.url, **options).status_code)
    assert (run.status, run.output) == ("completed", 200)
    (asked,) = endpoint.asked
    for name, value in options.get("headers", {}).items():
        assert asked.headers[name.lower()].encode("latin-1").decode() == str(value)


@pytest.mark.parametrize(
    "id", ["größe 🎵", "a\nb\r\x01", "ends with a space ", "x" * 180, "a\x85\u2028"]
)
def test_a_step_of_any_id_can_make_a_request(id, endpoint):
    run = ran(lambda ctx: ctx.step.fetch(id, endpoint.url).status_code)
    assert (run.status, run.output) == ("completed", 200)
    (asked,) = endpoint.asked
    assert asked.headers["idempotency-key"].startswith(f"{run.id}:")


# --- runs and functions, by what a person types ---------------------------------------------------

GARBAGE = [*NOT_TEXTS, *NOT_FIT, str(uuid.uuid4()), "0" * 33, -1, 1.5, (1, 2), uuid.uuid4()]
ACTS = {
    "cancel": cancel,
    "rerun": rerun,
    "rerun from the start": lambda given: rerun(given, from_start=True),
    "rerun from a step": lambda given: rerun(the_run().id, from_step=given),
    "rerun with data": lambda given: rerun(the_run().id, data=given if given is not None else 5),
    "pause": pause,
    "resume": api.resume,
    "replay": replay_skipped,
    "replay since": lambda given: replay_skipped("test-function", since=given or 5),
    "bulk": bulk,
    "bulk of a function": lambda given: bulk("cancel", fn_id=given or "x"),
    "bulk of a status": lambda given: bulk("cancel", status=given or "x"),
    "bulk since": lambda given: bulk("cancel", since=given or "x"),
    "bulk until": lambda given: bulk("cancel", until=given or "x"),
}


@pytest.mark.parametrize("given", GARBAGE, ids=map(str, range(len(GARBAGE))))
@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_what_names_nothing_is_said_and_nothing_is_done(act, given):
    with registered(lambda ctx: ctx.step.run("one", lambda: 1)):
        go()
        drain()
        if act is ACTS["rerun from a step"] and given is None:
            given = "nothing"
        if act is ACTS["rerun with data"] and given == {}:
            given = "nothing"
        with pytest.raises(JobsError) as raised:
            act(given)
    assert is_a_sentence(raised.value)
    assert (Run.objects.count(), EventRow.objects.count()) == (1, 1)


@pytest.mark.parametrize("why", [5, "a\0b", "\ud800", "x" * 10_000, b"x", ["x"]])
def test_a_reason_may_be_anything_that_can_be_said(why):
    with registered(lambda ctx: ctx.step.sleep("nap", 60)):
        go()
        drain()
        cancel(the_run().id, why=why)
    run = the_run()
    assert (run.status, run.error["name"]) == ("cancelled", "Cancelled")
