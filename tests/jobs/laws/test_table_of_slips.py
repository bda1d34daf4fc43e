"""A table of what an author can get wrong: every option of what the door takes, with a wrong type,
out of its range, with a NUL, and None. Each is told at the earliest moment: a registration at
start, by file and line. The sentence says what was given and what is allowed, and nothing is left
of it.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from jobs.api import (
    Cancel,
    Concurrency,
    Context,
    Event,
    InvalidEvent,
    InvalidFunction,
    JobsError,
    Secret,
    Timeouts,
    TriggerCron,
    TriggerEvent,
    create_function,
    send,
)
from jobs.execution.steps import Steps
from jobs.lib.excerpts import quoted
from jobs.models import Event as EventRow
from jobs.models import Run
from jobs.registry import catalog
from jobs.testing import Answer, Endpoint, drain, travel
from tests.support.functions import ran

HUGE = 10**400
NAIVE = datetime(2030, 1, 1)
YEARS = timedelta(days=367)


class Slips(NamedTuple):
    """Values of one option, and the words that say what is allowed."""

    call: Callable[[Any], Any]
    types: list[Any]  # of a wrong type
    ranges: list[Any]  # of the right one, and out of range
    nul: list[Any]
    allowed: str
    none: bool = True  # whether None is one
    is_shown: bool = True  # not what might be a secret

    def rows(self) -> Iterator[tuple[str, Any]]:
        nothing = [None] if self.none else []
        kinds = {"type": self.types, "range": self.ranges, "NUL": self.nul, "None": nothing}
        for kind, values in kinds.items():
            for number, value in enumerate(values):
                yield f"{kind} {number}", value


Table = dict[str, Slips]


def rows(table: Table) -> list[Any]:
    """A parameter for each value of each option."""
    return [
        pytest.param(slips, value, id=f"{option}, {kind}")
        for option, slips in table.items()
        for kind, value in slips.rows()
    ]


def says(error: BaseException, slips: Slips, value: Any) -> None:
    """The value, as far as it is short and no secret, and what is allowed instead."""
    text = str(error)
    assert not slips.is_shown or is_told(value, text), text
    assert re.search(slips.allowed, text), text
    assert 20 < len(text) < 1_500


def is_told(value: Any, text: str) -> bool:
    if str(value) in text or quoted(value) in text:
        return True
    if len(quoted(value)) > 60:  # by its size, or its beginning
        return bool(re.search(r"[\d,]+ (digits|characters)|at most|x{50}|\d{50}", text))
    shown = quoted(value)
    names = (shown, shown.strip("[]{}"), f"“{value}”", getattr(value, "__name__", shown))
    return any(name in text for name in names) or type(value).__name__ in text


# --- create_function ------------------------------------------------------------------------------

NO_TEXT: list[Any] = [5, True, b"x", ["x"], {"x": 1}, object]
NAME = "characters"
SPANS: list[Any] = [0, -1, 1e12, float("nan"), float("inf"), HUGE, YEARS, timedelta(0)]
NO_SPAN: list[Any] = ["5", True, b"5", [5], {}]
SPAN = "seconds"
CEL = r"expression|cannot be parsed|Known here|The fields of an event|holds a NUL"
EXPRESSION: dict[str, Any] = {
    "types": [5, True, b"x", ["event.data.n"]],
    "ranges": ["", "event..n", "evnt.data.n", "event.n == 1", "x" * 4_001],
    "nul": ["event.name == 'a\0b'"],
    "none": False,
}


def option(name: str, **others: Any) -> Callable[[Any], dict[str, Any]]:
    return lambda value: {name: value, **others}


def trigger(**others: Any) -> Callable[[str], Callable[[Any], dict[str, Any]]]:
    return lambda name: lambda value: {"trigger": TriggerEvent(**{**others, name: value})}


on = trigger(event="test/go")


def stops(name: str) -> Callable[[Any], Any]:
    return lambda value: {"cancel_on": Cancel(**{"event": "test/stop", name: value})}


FUNCTION: Table = {
    "fn_id": Slips(
        option("fn_id"),
        NO_TEXT,
        ["", " ", "x" * 201, " a ", "..", "\ud800"],
        ["a\0b"],
        "its id must",
    ),
    "name": Slips(option("name"), NO_TEXT, [" ", "x" * 201, "\ud800"], ["a\0b"], NAME, none=False),
    "retries": Slips(
        option("retries"), ["3", 1.5, True, [3]], [-1, 21, HUGE], [], "a whole number from 0 to 20"
    ),
    "resumable": Slips(option("resumable"), ["no", 0, 1, [], {}], [], [], "True and False are"),
    "backoff": Slips(
        option("backoff"),
        [5, "5", {5}, ["5"], [None], [True]],
        [[], [-1], [1e12], [float("nan")], [YEARS]],
        [],
        "a list of seconds or timedeltas",
        none=False,
    ),
    "timeouts": Slips(
        option("timeouts"), [60, "60", {"start": 5}], [], [], r"Timeouts\(start=…", none=False
    ),
    "timeouts.start": Slips(
        lambda span: {"timeouts": Timeouts(start=span)}, NO_SPAN, SPANS, [], SPAN, none=False
    ),
    "timeouts.finish": Slips(
        lambda span: {"timeouts": Timeouts(finish=span)}, NO_SPAN, SPANS, [], SPAN, none=False
    ),
    "trigger": Slips(
        option("trigger"),
        ["test/go", 5, {"event": "x"}, TriggerEvent, ["test/go"], [None]],
        [],
        ["a\0b"],
        "TriggerEvent and TriggerCron are allowed",
    ),
    "trigger.event": Slips(on("event"), NO_TEXT, ["", " ", "x" * 257, "\ud800"], ["a\0b"], NAME),
    "trigger.if_exp": Slips(on("if_exp"), **EXPRESSION, allowed=CEL),
    "trigger.data": Slips(
        on("data"),
        ["Order", 5, int, list[int], set[int], bytes, Exception],
        [],
        ["a\0b"],
        "allowed",
        none=False,
    ),
    "cron": Slips(
        lambda line: {"trigger": TriggerCron(cron=line)},
        [5, True, b"* * * * *", ["* * * * *"]],
        ["", "* * * *", "61 * * * *", "TZ=Mars/Base * * * * *", "x" * 300],
        ["* * * * \0"],
        "",
    ),
    "cron.if_running": Slips(
        lambda given: {"trigger": TriggerCron(cron="* * * * *", if_running=given)},
        [5, True, ["skip"]],
        ["", "stop"],
        ["skip\0"],
        "“start” and “skip” are allowed",
    ),
    "concurrency": Slips(
        option("concurrency"),
        [5, "1", {"limit": 1}, Concurrency, [5]],
        [[Concurrency(limit=1)] * 3],
        ["\0"],
        "allowed",
    ),
    "concurrency.limit": Slips(
        lambda limit: {"concurrency": Concurrency(limit=limit)},
        ["1", 1.5, True, [1]],
        [0, -1, 2**31, HUGE],
        [],
        "a whole number of at least 1",
    ),
    "concurrency.key": Slips(
        lambda key: {"concurrency": Concurrency(limit=1, key=key)},
        **EXPRESSION,
        allowed=CEL,
    ),
    "cancel_on": Slips(
        option("cancel_on"),
        ["test/stop", 5, {"event": "x"}, Cancel, [5]],
        [[Cancel(event="x")] * 6],
        ["a\0b"],
        "allowed",
    ),
    "cancel_on.event": Slips(stops("event"), NO_TEXT, ["", "x" * 257], ["a\0b"], NAME),
    "cancel_on.if_exp": Slips(stops("if_exp"), **EXPRESSION, allowed=CEL),
    "cancel_on.timeout": Slips(stops("timeout"), NO_SPAN, SPANS, [], SPAN, none=False),
}
HANDLERS: list[Any] = [
    5,
    "x",
    lambda: None,
    lambda a, b: None,
    lambda *, ctx: None,
]


def fine(ctx: Context) -> None: ...


def place() -> str:
    return f"tests/jobs/laws/test_table_of_slips.py:{fine.__code__.co_firstlineno}"


@pytest.mark.parametrize(("slips", "value"), rows(FUNCTION))
def test_an_option_of_a_function_is_told_at_start_by_file_and_line(slips: Slips, value: Any):
    known = list(catalog.all_functions())
    options = {"fn_id": "slip", **slips.call(value)}
    with pytest.raises(InvalidFunction) as raised:
        create_function(**options)(fine)

    says(raised.value, slips, value)
    assert place() in str(raised.value)
    assert list(catalog.all_functions()) == known


def test_the_table_has_every_option_of_a_function():
    """A new option gets a row."""
    hooks = {"on_failure", "on_cancel", "on_retry"}
    asked = set(inspect.signature(create_function).parameters) - hooks - {"misspelt"}
    parts = {"trigger": TriggerEvent, "cron": TriggerCron, "cancel_on": Cancel}
    parts |= {"concurrency": Concurrency, "timeouts": Timeouts}
    for where, kind in parts.items():
        asked |= {f"{where}.{field.name}" for field in dataclasses.fields(kind)}
    assert asked - {"cron.cron"} - set(FUNCTION) == set()


def test_a_function_that_is_made_of_no_code_is_told_by_the_line_that_registers_it():
    with pytest.raises(InvalidFunction) as raised:
        create_function(fn_id="slip", retries=-1)(functools.partial(fine))
    line = raised.traceback[0].lineno + 1
    assert f"tests/jobs/laws/test_table_of_slips.py:{line}" in str(raised.value)


@pytest.mark.parametrize("hook", ["handler", "on_failure", "on_cancel", "on_retry"])
@pytest.mark.parametrize("handler", HANDLERS, ids=map(str, range(len(HANDLERS))))
def test_a_handler_or_a_hook_that_cannot_be_called_so_is_told_by_file_and_line(hook, handler):
    known = list(catalog.all_functions())
    options = {} if hook == "handler" else {hook: handler}
    with pytest.raises(InvalidFunction, match=r"one argument|not callable") as raised:
        create_function(fn_id="slip", **options)(handler if hook == "handler" else fine)

    assert "tests/jobs/laws/test_table_of_slips.py:" in str(raised.value)
    assert list(catalog.all_functions()) == known


# --- send -----------------------------------------------------------------------------------------


def event(name: str) -> Callable[[Any], Any]:
    return lambda value: send(Event(**{"name": "test/go", name: value}))


SEND: Table = {
    "events": Slips(
        send, [5, "x", {"name": "x"}, Event, ["x"], [None]], [], ["\0"], r"send\(\) takes"
    ),
    "name": Slips(event("name"), NO_TEXT, ["", " ", "x" * 257, "\ud800"], ["a\0b"], NAME),
    "data": Slips(event("data"), [5, "x", [1], ("a",)], [], [], "a JSON object"),
    "a value in data": Slips(
        lambda value: send(Event(name="test/go", data={"v": value})),
        [object(), b"x", {1, 2}, print],
        [float("nan"), float("inf"), HUGE],
        [],
        "Event “test/go”: data",
        none=False,
    ),
    "id": Slips(event("id"), [5, True, b"x", ["x"]], ["x" * 257, "\ud800"], ["a\0b"], NAME),
    "ts": Slips(
        event("ts"),
        ["5", 1.5, True, b"5", [5]],
        [-1, 5, HUGE, NAIVE, datetime(1970, 1, 1, tzinfo=UTC)],
        [],
        "ts",
    ),
}


@pytest.mark.django_db
@pytest.mark.parametrize(("slips", "value"), rows(SEND))
def test_what_is_sent_wrongly_is_told_and_nothing_is_written(slips: Slips, value: Any):
    with pytest.raises(InvalidEvent) as raised:
        slips.call(value)

    says(raised.value, slips, value)
    assert not EventRow.objects.exists()


# --- ctx.step -------------------------------------------------------------------------------------

Step = Any  # what ctx.step is
NOWHERE = "http://allowed.test/"
A_SPAN = "0 s to 366 days are allowed"


def asks(call: Callable[[Step, Any], Any]) -> Callable[[Any], Any]:
    return lambda value: lambda ctx: call(ctx.step, value)


def fetches(name: str, **others: Any) -> Callable[[Any], Any]:
    def call(step: Step, value: Any) -> Any:
        options = {"url": NOWHERE, "method": "POST", **others, name: value}
        return step.fetch("s", options.pop("url"), **options)

    return asks(call)


def waits(name: str) -> Callable[[Any], Any]:
    return asks(lambda s, v: s.wait_for_event("s", **{"event": "test/x", "timeout": 5, name: v}))


BEYOND: list[Any] = [-1, 1e12, float("nan"), float("inf"), HUGE, YEARS]
STEP: Table = {
    "id": Slips(
        asks(lambda s, v: s.run(v, int)), NO_TEXT, ["", " ", "x" * 181, "\ud800"], ["a\0b"], NAME
    ),
    "run.fn": Slips(asks(lambda s, v: s.run("s", v)), [5, "x", [int]], [], ["\0"], "a function"),
    "run.returns": Slips(
        asks(lambda s, v: s.run("s", int, returns=v)),
        ["int", 5, set[int], bytes],
        [],
        ["a\0b"],
        "are allowed",
        none=False,
    ),
    "run.atomic": Slips(
        asks(lambda s, v: s.run("s", int, atomic=v)), [0, "no", []], [], ["\0"], "True and False"
    ),
    "sleep": Slips(asks(lambda s, v: s.sleep("s", v)), NO_SPAN, BEYOND[1:], [], A_SPAN),
    "sleep_until": Slips(
        asks(lambda s, v: s.sleep_until("s", v)),
        [5, "2030-01-01", True, NAIVE.date()],
        [NAIVE, datetime.max.replace(tzinfo=UTC)],
        [],
        r"step.sleep_until\(“s”\)",
    ),
    "wait_for_event.event": Slips(waits("event"), NO_TEXT, ["", "x" * 257], ["a\0b"], NAME),
    "wait_for_event.timeout": Slips(waits("timeout"), NO_SPAN, BEYOND, [], A_SPAN),
    "wait_for_event.if_exp": Slips(waits("if_exp"), **EXPRESSION, allowed=CEL),
    "wait_for_event.data": Slips(
        waits("data"),
        ["Order", 5, int, list[int], set[int], bytes],
        [],
        ["a\0b"],
        "allowed",
        none=False,
    ),
    "send_event": Slips(
        asks(lambda s, v: s.send_event("s", v)), [5, "x", [5]], [], ["\0"], r"send\(\) takes"
    ),
    "invoke.function": Slips(
        asks(lambda s, v: s.invoke("s", function=v)),
        [5, True, b"x", ["x"], {}],
        ["", "x" * 300],
        ["a\0b"],
        "is registered",
    ),
    "invoke.data": Slips(
        asks(lambda s, v: s.invoke("s", function="called", data=v)),
        [5, "x", [1], True],
        [],
        [],
        "a JSON object",
        none=False,
    ),
    "invoke.timeout": Slips(
        asks(lambda s, v: s.invoke("s", function="called", timeout=v)), NO_SPAN, BEYOND, [], A_SPAN
    ),
    "invoke.returns": Slips(
        asks(lambda s, v: s.invoke("s", function="called", returns=v)),
        ["int", 5, set[int]],
        [],
        ["a\0b"],
        "are allowed",
        none=False,
    ),
    "parallel": Slips(
        asks(lambda s, v: s.parallel(v)),
        [5, "x", [5], [None]],
        [[int] * 1001],
        [],
        "functions to call",
    ),
    "fetch.url": Slips(
        fetches("url"), [5, True, b"x", ["x"]], ["", "ftp://x", "http://other.test/"], ["\0"], "URL"
    ),
    "fetch.method": Slips(
        fetches("method"), [5, b"GET", ["GET"]], ["", "BREW"], ["GET\0"], "GET, HEAD, POST"
    ),
    "fetch.json": Slips(
        fetches("json"), [object(), b"x", {1}], [float("nan"), HUGE], [], "json", none=False
    ),
    "fetch.data": Slips(
        fetches("data"), [5, b"x", {}, ["x"]], [], [], "data must be a text", none=False
    ),
    "fetch.headers": Slips(
        fetches("headers"), [5, "x", ["X"], b"x"], [], [], "headers must be a dict", none=False
    ),
    "a header's name": Slips(
        asks(lambda s, v: s.fetch("s", NOWHERE, headers={v: "x"})),
        [5, b"x", True],
        ["", "a b", "é"],
        ["a\0"],
        "letters, digits and hyphens are allowed",
    ),
    "a header's value": Slips(
        asks(lambda s, v: s.fetch("s", NOWHERE, headers={"X": v})),
        [b"x", [5], True],
        [HUGE * 10**5000, "a\nb", " a"],
        ["a\0"],
        "header 'X'",
        is_shown=False,
    ),
    "a secret": Slips(
        asks(lambda s, v: s.fetch("s", NOWHERE, headers={"X": Secret(v)})),
        [5, b"x", ["X"]],
        ["", "NO_SUCH_SETTING"],
        ["a\0"],
        "etting",
        is_shown=False,
    ),
    "fetch.timeout": Slips(
        fetches("timeout"), NO_SPAN, [0, -1, 7201, float("nan"), HUGE], [], "at most 7200 s are"
    ),
    "fetch.accept": Slips(
        fetches("accept"), ["404", True, b"404", 404.0], [200, 600, [404, 399]], [], "400 to 599"
    ),
}


def test_the_table_has_every_option_of_every_step():
    asked = {
        (name, option)
        for name, method in vars(Steps).items()
        if not name.startswith("_")
        for option in inspect.signature(method).parameters
        if option not in ("self", "id", "args", "kwargs")
    }
    missing = [
        f"{name}.{option}" for name, option in asked if not {name, f"{name}.{option}"} & set(STEP)
    ]
    assert missing == []


@pytest.mark.django_db
@pytest.mark.parametrize(("slips", "value"), rows(STEP))
def test_a_step_that_is_asked_for_wrongly_is_told_at_its_first_try(
    slips: Slips, value: Any, settings: Any
):
    settings.JOBS = {**settings.JOBS, "ALLOWED_HOSTS": ["allowed.test"]}
    told: list[BaseException] = []

    def handler(ctx: Context) -> None:
        try:
            slips.call(value)(ctx)
        except Exception as error:
            told.append(error)
            raise

    create_function(fn_id="called")(fine)
    try:
        run = ran(handler, retries=3)
    finally:
        catalog.unregister("called")
    (error,) = told
    assert isinstance(error, JobsError)
    says(error, slips, value)
    assert (run.attempts.count(), Run.objects.count(), run.fetches.count()) == (1, 1, 0)


# --- jobs.testing ---------------------------------------------------------------------------------

TESTING: Table = {
    "drain.limit": Slips(
        lambda v: drain(v), ["5", 1.5, True, [5]], [0, -1], [], "a whole number of at least 1"
    ),
    "travel": Slips(travel, NO_SPAN, [-1, HUGE, float("nan"), timedelta(days=-1)], [], "seconds"),
    "answers": Slips(
        lambda v: Endpoint().answers(v), [200, "x", {"a": 1}], [], ["\0"], r"Answer\(status=…"
    ),
    "on.method": Slips(
        lambda v: Endpoint().on(v, "/x", Answer()),
        [5, b"GET", ["GET"]],
        ["", "GTE", "CONNECT"],
        ["GET\0"],
        "a method is allowed: GET, HEAD",
    ),
    "on.path": Slips(
        lambda v: Endpoint().on("GET", v, Answer()),
        [5, b"/", Answer()],
        ["", "x", "http://a.test/x"],
        ["\0/"],
        r"path.* is allowed",
    ),
    "on.answers": Slips(
        lambda v: Endpoint().on("GET", "/x", v),
        [200, "x", {"a": 1}, Answer],
        [lambda: Answer(), lambda a, b: Answer()],
        ["\0"],
        r"Answer\(status=…|a function of one argument",
    ),
    "answer.status": Slips(
        lambda v: Endpoint().answers(Answer(status=v)),
        ["200", 200.5, True],
        [0, 99, 1000],
        [],
        "a whole number from 100 to 599",
    ),
    "answer.body": Slips(
        lambda v: Endpoint().answers(Answer(body=v)),
        [b"x", {1}, object()],
        [],
        [],
        "JSON",
        none=False,
    ),
    "answer.headers": Slips(
        lambda v: Endpoint().answers(Answer(headers=v)),
        ["X", ["X"], {"X": 5}, {5: "X"}],
        [{"X": "a\nb"}],
        [{"X": "a\0"}],
        "a dict of texts",
    ),
}


@pytest.mark.django_db
@pytest.mark.parametrize(("slips", "value"), rows(TESTING))
def test_what_a_test_asks_for_wrongly_is_told_at_once(slips: Slips, value: Any):
    with pytest.raises(JobsError) as raised:
        slips.call(value)
    says(raised.value, slips, value)
