"""What an expression may speak of, and what becomes of one that has no value."""

from __future__ import annotations

import contextlib
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobs.api import Cancel, Concurrency, Context, Event, InvalidFunction, TriggerEvent, send
from jobs.errors import InvalidExpression
from jobs.models import LogLine, Run, RunStatus
from jobs.registry import expressions
from jobs.registry.expression_names import check
from jobs.testing import drain, travel
from tests.support.functions import registered

pytestmark = pytest.mark.django_db


def naps(ctx: Context) -> None:
    ctx.step.sleep("nap", 3600)


def waits(if_exp: str) -> Any:
    def handler(ctx: Context) -> object:
        came = ctx.step.wait_for_event("w", event="test/paid", timeout=3600, if_exp=if_exp)
        return came.data if came else None

    return handler


REFUSED = {
    "evnt.data.n == 1": "uses “evnt”. Known here: “event”. Did you mean “event”?",
    "event.orderId == 5": r"uses “event.orderId”.*name, data, id, ts.*event\.data\.orderId",
    "event['orderId'] == 5": "uses “event.orderId”",
    "(event).orderId == 5": r"uses “event.orderId”.*event\.data\.orderId",
    "1 in [((event)['orderId'])]": "uses “event.orderId”",
    "(event.name).first == 'x'": "event.name is a text",
    "event.data.n > 3 and event.data.m": "CEL writes “&&” for “and”.",
    "not event.data.n or event.data.m": "CEL writes “||” for “or”, “!” for “not”.",
    "event.data.n = 3 && event.data.m == 3": "CEL writes “==” for “=”.",
    "event.data.n == None": "uses “None”.* CEL writes “null” for “None”.",
    "event.data.n is True": "CEL writes “==” for “is”, “true” for “True”.",
    "len(event.data.list) > 1": "calls “len”.* CEL writes “size” for “len”.",
    "data.n == 1": "Known here: “event”. Write event.data.",
    "event.nam == 'x'": "Did you mean “name”?",
    "has(event.order)": "uses “event.order”",
    "event.name.first == 'x'": "event.name is a text.*event.data.first",
    "event['ts']['day'] == 1": "event.ts is a number",
    "[event.id.orderId] == []": "event.id is a text",
    "event.data.n == nn": "uses “nn”",
    "event.data.list.exists(x, x == y)": "uses “y”",
    "event.data.list.exists(x, x == 1) && x == 1": "uses “x”",
    "[1, evnt.data.n] == []": "uses “evnt”",
    "event.data.n ? evnt : 1": "uses “evnt”",
    ".event.data.n == 1": "leave the dot before it out",
    "event.data.s.startswith('a')": "calls “startswith”, which is no function of CEL",
    "nope(event.data.n)": "calls “nope”",
    "": "cannot be parsed",
}
TAKEN = [
    "event.data.a.b.c['d e'].f == event.ts",
    "event['data']['orderId'] == event.id",
    "((event).data.n + 1) * 2 == (event.ts) && size((event.name)) > 1",
    "event[event.data.which] == 1",
    "event == {'name': event.data.evnt}",
    "'evnt.data' == event.name // evnt",
    "r'\\' == '''evnt ' evnt''' || \"\\\"evnt\" == b'evnt'",
    "event.data.list.exists(x, x.orderId == event.id && x.z > 1)",
    "event.data.list.all(i, i.parts.map(j, j + i) == [])",
    "event.data.list.filter(a, a > 1).map(b, b.c).exists_one(c, c == 1.5e3)",
    "event.data.list.map(event, event.foo) == []",
    "type(event.ts) == int && event.data.list.size() > 2 && size(event.name) > 1",
    "timestamp(event.data.at).getFullYear() > 2020 && duration('1s') < duration('2s')",
    "event.data.s.matches('^a+$') || event.name.contains('x') || event.id.endsWith('y')",
    "has(event.data.user) ? event.data.user : null",
    "event.name.size() > 1 && event['id'].startsWith('a') && event.ts.string() == ''",
    "event.data.name.first == event.data['id'].n",
]


@pytest.mark.parametrize(("source", "sentence"), REFUSED.items(), ids=list(REFUSED))
def test_a_name_that_nothing_bears_is_refused_at_start(source, sentence):
    for options in (
        {"trigger": TriggerEvent(event="e", if_exp=source)},
        {"cancel_on": [Cancel(event="e", if_exp=source)]},
        {"concurrency": [Concurrency(limit=1, key=source or ".")]},
    ):
        with pytest.raises(InvalidFunction), registered(naps, **options):
            pass
    with pytest.raises(InvalidExpression, match=sentence):
        check(source, "event")


@pytest.mark.parametrize("source", TAKEN)
def test_what_has_a_meaning_is_taken(source):
    check(source, "event")


def test_async_is_known_where_there_is_another_event():
    source = "async.data.n == event.data.n"
    check(source, "event", "async")
    with pytest.raises(InvalidExpression, match="awaited event of a wait"):
        check(source, "event")
    with pytest.raises(InvalidExpression, match=r"async\.orderId"):
        check("async.orderId == 1", "event", "async")


def test_a_wait_whose_condition_uses_an_unknown_name_fails_at_once():
    with registered(waits("async.orderId == event.data.orderId")):
        send(Event(name="test/go"))
        drain()
    run = Run.objects.get()
    assert (run.status, run.error["name"]) == (RunStatus.FAILED, "InvalidExpression")
    assert "async.data.orderId" in run.error["message"]


@pytest.mark.parametrize("source", [7, ["a"], b"a", "'\ud800'", "'\0'", "1" + " + 1" * 5_000])
def test_what_is_no_expression_is_refused(source):
    with pytest.raises(InvalidExpression, match="a text of at most 4,000 characters"):
        expressions.compile_expression(source)


LONGEST = {
    "a chain of fields": "event" + ".a" * 1_990,
    "a sum": "1" + "+1" * 1_990,
    "places in lists": "event" + "[0]" * 1_300,
    "negations": "!" * 3_990 + "true",
    "parentheses": "(" * 1_990 + "1" + ")" * 1_990,
    "lists": "[" * 1_990 + "]" * 1_990,
}


@pytest.mark.parametrize("source", LONGEST.values(), ids=LONGEST)
def test_the_longest_expressions_end_no_process(source):
    with contextlib.suppress(InvalidExpression):
        expressions.evaluate(source, {"event": {"data": {}}})


def test_data_that_is_nested_too_deep_has_no_value():
    deep: Any = 1
    for _ in range(3_000):
        deep = [deep]
    with pytest.raises(InvalidExpression, match="no value here"):
        expressions.evaluate("event.data == 1", {"event": {"data": deep}})


class Panics:
    """A program of the library's that panics, as a defect of the library would."""

    def execute(self, variables: dict[str, Any]) -> Any:
        raise type("PanicException", (BaseException,), {})("attempt to subtract with overflow")


def test_a_panic_of_the_library_is_an_expression_without_a_value(monkeypatch):
    monkeypatch.setattr(expressions, "_compile", lambda source: Panics())
    with pytest.raises(InvalidExpression, match="subtract with overflow"):
        expressions.evaluate("1", {})


# --- warnings -------------------------------------------------------------------------------------


def warnings(caplog) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]


def test_a_trigger_that_has_no_value_for_an_event_leaves_a_warning_that_names_both(caplog):
    with registered(naps, trigger=TriggerEvent(event="e", if_exp="event.data.n > 3")):
        (event_id,) = send(Event(name="e", data={"n": "many"}))
    (text,) = warnings(caplog)
    assert "trigger of “test-function”" in text
    assert event_id in text
    assert "“event.data.n > 3” has no value here" in text


def test_a_condition_that_is_neither_true_nor_false_leaves_one_too(caplog):
    with registered(naps, trigger=TriggerEvent(event="e", if_exp="event.data.n")):
        send(Event(name="e", data={"n": 1}))
    (text,) = warnings(caplog)
    assert "“event.data.n” is 1, neither true nor false" in text


@pytest.mark.parametrize("data", [{}, {"n": []}, {"n": [4]}], ids=["absent", "empty", "false"])
def test_a_field_that_is_absent_is_ordinary(caplog, data):
    with registered(naps, trigger=TriggerEvent(event="e", if_exp="event.data.n[0] == 3")):
        send(Event(name="e", data=data))
    assert (warnings(caplog), Run.objects.count()) == ([], 0)


def test_a_wait_says_it_on_its_runs_page_and_once_for_each_event():
    with registered(waits("async.data.n > 3")):
        send(Event(name="test/go"))
        (odd,) = send(Event(name="test/paid", data={"n": "many"}))
        drain()
        for _ in range(4):
            travel(timedelta(seconds=60))
            drain()
        send(Event(name="test/paid", data={"n": 4}))
        drain()
    assert Run.objects.get().output == {"n": 4}
    (line,) = LogLine.objects.all()
    assert (line.level, odd in line.message) == ("WARNING", True)


def test_a_wait_says_it_of_five_events_and_counts_the_rest_and_looks_say_what_is_new_alone():
    odd = Event(name="test/paid", data={"n": "many"})
    with registered(waits("async.data.n > 3")):
        send(Event(name="test/go"))
        first = send([odd] * 105)
        for _ in range(4):
            drain()
            travel(timedelta(seconds=60))
        lines = list(LogLine.objects.order_by("id").values_list("message", flat=True))
        assert len(lines) == 6
        assert all(e in line for e, line in zip(first[:5], lines[:5], strict=True))
        assert "100 more events" in lines[-1]
        (new,) = send([odd])
        travel(timedelta(seconds=600))
        drain()
    (line,) = LogLine.objects.order_by("id")[6:]
    assert new in line.message


def test_what_a_wait_reads_that_is_not_there_is_said_once_and_is_no_warning():
    """A slip below “data” would have the run wait in silence."""
    with registered(waits("async.data.orderId == event.data.orderID")):
        send(Event(name="test/go", data={"orderId": 1}))
        for _ in range(3):
            send(Event(name="test/paid", data={"orderId": 1}))
            drain()
            travel(timedelta(seconds=60))
    (line,) = LogLine.objects.all()
    assert line.level == "INFO"
    assert "orderID" in line.message
    assert "is not there" in line.message


def test_the_sender_says_it_too_where_a_run_waits_already(caplog):
    with registered(waits("async.data.n > 3")):
        send(Event(name="test/go"))
        drain()
        (odd,) = send(Event(name="test/paid", data={"n": "many"}))
        (text,) = warnings(caplog)
        assert f"sending to step “w” of run {Run.objects.get().id}, event {odd}" in text
        travel(timedelta(seconds=60))
        drain()
    assert odd in LogLine.objects.get().message


def test_cancel_on_says_it_on_the_page_of_the_run_that_looked():
    rule = Cancel(event="test/stop", if_exp="async.data.n > event.data.n")
    with registered(naps, cancel_on=[rule]):
        send(Event(name="test/go", data={"n": 1}))
        drain()
        (stop,) = send(Event(name="test/stop", data={"n": "many"}))
        drain()
    (line,) = LogLine.objects.all()
    assert line.run.fn_id == "jobs-cancel-on"
    assert (line.level, stop in line.message) == ("WARNING", True)
    assert str(Run.objects.get(fn_id="test-function").id) in line.message


# --- numbers --------------------------------------------------------------------------------------

BIG = 2**64
PAIRS = {
    "beyond 64 bits": (BIG + 1, BIG + 2),
    "below -2**63": (-(2**63) - 1, -(2**63) - 2),
    "on both sides of 64 bits": (BIG - 1, BIG),
    "on both sides of 63 bits": (2**63 - 1, 2**63),
    "a whole number beside a floating point one": (2**53 + 1, 2.0**53),
    "a large one beside a floating point one": (BIG + 1, 2.0**64),
    "a number and its digits": (BIG, str(BIG)),
    "a number and true": (1, True),
}
SAME = {
    "beyond 64 bits": (BIG + 1, BIG + 1),
    "as a floating point number": (BIG, 2.0**64),
    "written with an exponent": (10**20, 1e20),
    "1 and 1.0": (1, 1.0),
    "the two zeros": (0.0, -0.0),
    "in lists": ([BIG + 1], [BIG + 1]),
}


def key_of(value: Any) -> str:
    event = {"event": {"data": {"key": value}}}
    return expressions.key_text(expressions.evaluate("event.data.key", event))


def are_equal(one: Any, other: Any) -> bool:
    variables = {"event": {"data": {"id": one}}, "async": {"data": {"id": other}}}
    return expressions.holds("event.data.id == async.data.id", variables)


@pytest.mark.parametrize(("one", "other"), PAIRS.values(), ids=PAIRS)
def test_numbers_that_differ_are_not_equal_and_share_no_key(one, other):
    assert not are_equal(one, other)
    assert key_of(one) != key_of(other)


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_numbers_that_are_equal_share_a_key(one, other):
    assert are_equal(one, other)
    assert key_of(one) == key_of(other)


def test_a_number_beyond_64_bits_can_be_found_in_a_list_and_compared_in_size_with_nothing():
    event = {"event": {"data": {"id": BIG + 1, "ids": [BIG, BIG + 1]}}}
    assert expressions.evaluate("event.data.id in event.data.ids", event) is True
    for source in ("event.data.id > 1", "event.data.id + 1", "string(event.data.id)"):
        with pytest.raises(InvalidExpression, match="no value here"):
            expressions.evaluate(source, event)


def test_a_key_is_the_number_itself():
    assert key_of(BIG + 1) == str(BIG + 1)


ODD = [
    True,
    1,
    "1",
    "true",
    None,
    "null",
    b"a",
    "b'a'",
    {1: 2},
    {"1": 2},
    {True: 2},
    {"a": 1, 1: 2},
]
ODD += [
    datetime(2024, 1, 1, tzinfo=UTC),
    "2024-01-01 00:00:00+00:00",
    timedelta(1),
    "1 day, 0:00:00",
]
ODD += ["x" * 300, "x" * 301, "x" * 299 + "y", {}, [], "", {"\0bytes": "a"}]


def test_no_two_values_of_different_kinds_share_a_key():
    keys = [expressions.key_text(value) for value in ODD]
    assert len(set(keys)) == len(ODD)
    assert max(map(len, keys)) <= expressions.KEY_LIMIT


def test_orders_whose_ids_are_larger_than_64_bits_are_told_apart():
    per_order = [Concurrency(limit=1, key="event.data.id")]
    stop = Cancel(event="test/stop", if_exp="event.data.id == async.data.id")
    with registered(naps, concurrency=per_order, cancel_on=[stop]):
        send([Event(name="test/go", data={"id": BIG + n}) for n in (1, 2)])
        drain()
        assert Run.objects.filter(status=RunStatus.WAITING).count() == 2
        send(Event(name="test/stop", data={"id": BIG + 2}))
        drain()
    runs = Run.objects.filter(fn_id="test-function").order_by("id")
    assert list(runs.values_list("status", flat=True)) == [RunStatus.WAITING, RunStatus.CANCELLED]


def test_a_wait_takes_the_event_with_its_own_number_and_no_other():
    with registered(waits("event.data.id == async.data.id")):
        send(Event(name="test/go", data={"id": BIG + 1}))
        send(Event(name="test/paid", data={"id": BIG + 2}))
        drain()
        assert Run.objects.get().status == RunStatus.WAITING
        send(Event(name="test/paid", data={"id": BIG + 1}))
        drain()
    assert Run.objects.get().output == {"id": BIG + 1}
