"""How functions are declared: what cannot be used is told at start, with the place."""

from __future__ import annotations

import functools
import importlib
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.urls import reverse

from jobs.api import (
    Cancel,
    Concurrency,
    Event,
    Timeouts,
    TriggerCron,
    TriggerEvent,
    create_function,
    send,
)
from jobs.errors import InvalidFunction, UnknownFunction
from jobs.maintenance import cron
from jobs.models import RegisteredFunction
from jobs.registry import catalog, rows
from jobs.testing import drain
from tests.jobs.admin.panel import page_of
from tests.support.functions import go, registered, the_run


def one(ctx):
    return 1


def other(ctx):
    return 2


def test_a_registered_function_is_found_by_its_id_and_still_callable():
    with registered(one, fn_id="one", name="The one") as function:
        assert catalog.get("one") is function
        assert (function.name, function(None)) == ("The one", 1)
    with pytest.raises(UnknownFunction, match="“one”"):
        catalog.get("one")


def test_a_decorator_without_its_brackets_is_told_of_them():
    with pytest.raises(
        InvalidFunction, match=r"in brackets; above “one” .*@create_function\(fn_id="
    ):
        create_function(one)
    with pytest.raises(InvalidFunction, match=r"takes its options by name, .* not 'my-id'"):
        create_function("my-id")


def test_the_products_functions_are_discovered():
    assert catalog.knows("generate-song-event")


def test_two_functions_with_one_id_are_told_with_both_places():
    with (
        registered(one, fn_id="same"),
        pytest.raises(InvalidFunction, match="id “same”") as raised,
    ):
        create_function(fn_id="same")(other)
    assert "test_registry.one, tests/jobs/registry/test_registry.py:" in str(raised.value)
    assert "test_registry.other, tests/jobs/registry/test_registry.py:" in str(raised.value)


def test_the_same_code_may_be_registered_again():
    with registered(one, fn_id="same"):
        create_function(fn_id="same")(one)


def test_a_hook_is_a_function_of_its_own_and_goes_with_its_function():
    with registered(one, fn_id="one", on_failure=other, retries=2):
        hook = catalog.get("one-failure")
        assert (hook.handler, hook.retries, hook.triggers) == (other, 2, ())
    assert not catalog.knows("one-failure")


@pytest.mark.django_db
def test_what_is_registered_is_written_down_for_operators():
    options = {
        "concurrency": [Concurrency(limit=1, key="event.data.userId")],
        "retries": 3,
        "on_failure": other,
    }
    with registered(one, fn_id="one", name="The one", **options):
        rows.sync()
        rows.sync()
    row = RegisteredFunction.objects.get(fn_id="one")
    assert row.name == "The one"
    assert row.config["concurrency"] == [{"limit": 1, "key": "event.data.userId"}]
    assert row.config["retries"] == 3
    assert row.config["on_failure"] == "one-failure"
    assert RegisteredFunction.objects.filter(fn_id="one-failure").exists()


BAD = {
    "no id": ({"fn_id": ""}, "1 to 200 characters"),
    "an id with space around it": ({"fn_id": " a "}, "without space"),
    "an id that is too long": ({"fn_id": "a" * 201}, "1 to 200 characters"),
    "retries below zero": ({"retries": -1}, "from 0 to 20"),
    "too many retries": ({"retries": 21}, "from 0 to 20"),
    "retries that are no number": ({"retries": "3"}, "retries='3'"),
    "no backoff": ({"backoff": []}, "backoff must be a list of seconds"),
    "a negative backoff": ({"backoff": [1, -1]}, "none of them negative"),
    "a limit of none": ({"concurrency": [Concurrency(limit=0)]}, "at least 1"),
    "a limit that is no number": ({"concurrency": [Concurrency(limit="1")]}, "limit='1'"),
    "three lines": ({"concurrency": [Concurrency(limit=1)] * 3}, "at most 2 are allowed"),
    "a key that does not parse": (
        {"concurrency": [Concurrency(limit=1, key="event.data.userId ==")]},
        "“event.data.userId ==” cannot be parsed at 1:2",
    ),
    "a condition that does not parse": (
        {"trigger": TriggerEvent(event="e", if_exp="event..data")},
        "“event..data” cannot be parsed at 1:7",
    ),
    "a trigger that is a text": ({"trigger": "test/go"}, "TriggerEvent"),
}


@pytest.mark.parametrize(("options", "sentence"), BAD.values(), ids=BAD)
def test_a_configuration_that_cannot_be_used_is_refused_with_the_place(options, sentence):
    known = list(catalog.all_functions())
    with pytest.raises(InvalidFunction, match=sentence) as raised, registered(one, **options):
        pass
    assert "test_registry.one, tests/jobs/registry/test_registry.py:" in str(raised.value)
    assert list(catalog.all_functions()) == known


UNCHECKED = {
    "an id that is no text": ({"fn_id": 7}, "1 to 200 characters"),
    "a backoff that is no number": ({"backoff": ["1"]}, "backoff must be a list of seconds"),
    "a backoff without end": ({"backoff": [float("inf")]}, "backoff"),
    "a limit beyond the column": ({"concurrency": [Concurrency(limit=2**31)]}, "limit=2147483648"),
    "a concurrency that is a number": ({"concurrency": 5}, "oncurrency"),
    "an event that is no text": ({"trigger": TriggerEvent(event=None)}, "event"),
    "an event without a name": ({"trigger": TriggerEvent(event="")}, "event"),
}


LONG = "event.name == '" + "x" * 4_000 + "'"
EVERY_MINUTE = ",".join(str(n) for n in range(60))
DAYS = timedelta(days=366)
UNCHECKED |= {
    "a name of 201 characters": ({"name": "x" * 201}, "name must be .* 1 to 200 .*201 characters"),
    "a name that is no text": ({"name": 7}, "name must be a text .* not 7"),
    "a name of nothing but space": ({"name": "  "}, "name must be a text"),
    "a NUL in its name": ({"name": "a\0b"}, "can be stored"),
    "half a character in its name": ({"name": "\ud800"}, "can be stored"),
    "a NUL in its id": ({"fn_id": "a\0b"}, "can be stored"),
    "half a character in its id": ({"fn_id": "\ud800"}, "can be stored"),
    "an id of 10,000 characters": ({"fn_id": "x" * 10_000}, "10,000 characters"),
    "an id that no page can have": ({"fn_id": ".."}, "path"),
    "its hook's name over the limit": (
        {"name": "x" * 195, "on_failure": one},
        "“test-function-failure”.*1 to 200 .*205 characters",
    ),
    "its hook's id over the limit": ({"fn_id": "x" * 195, "on_retry": one}, "201 characters"),
    "a hook that cannot be called": ({"on_cancel": 5}, "“test-function-cancel”.*not callable"),
    "a NUL in a trigger": ({"trigger": TriggerEvent(event="a\0b")}, "not an event's name"),
    "half a character in a trigger": ({"trigger": TriggerEvent(event="\ud800")}, "not an event"),
    "a trigger of 257 characters": ({"trigger": TriggerEvent(event="x" * 257)}, "1 to 256"),
    "triggers that are no list": ({"trigger": {TriggerEvent(event="e")}}, "TriggerEvent and"),
    "no trigger at all": ({"trigger": None}, "trigger=None"),
    "a condition that is no text": (
        {"trigger": TriggerEvent(event="e", if_exp=5)},
        "a text, not 5",
    ),
    "a condition that is empty": ({"trigger": TriggerEvent(event="e", if_exp="")}, "be parsed"),
    "a long condition": ({"trigger": TriggerEvent(event="e", if_exp=LONG)}, "at most 4,000"),
    "a NUL in a condition": ({"trigger": TriggerEvent(event="e", if_exp="'a\0b'")}, "NUL"),
    "half a character in a key": (
        {"concurrency": Concurrency(limit=1, key="'\ud800'")},
        "surrogate",
    ),
    "a key that is no text": ({"concurrency": Concurrency(limit=1, key=7)}, "a text, not 7"),
    "a limit of yes": ({"concurrency": Concurrency(limit=True)}, "limit=True"),
    "a cancelling event with a NUL": ({"cancel_on": Cancel(event="a\0b")}, "cancel_on: event="),
    "a cancelling condition": ({"cancel_on": Cancel(event="e", if_exp="event..x")}, "be parsed"),
    "a cancelling timeout": ({"cancel_on": Cancel(event="e", timeout=0)}, "above 0"),
    "cancel_on that is a text": ({"cancel_on": "e"}, "Cancel"),
    "a long cron line": (
        {"trigger": TriggerCron(cron=f"{EVERY_MINUTE} {EVERY_MINUTE} * * *")},
        "at most 255",
    ),
    "a cron line that is none": ({"trigger": TriggerCron(cron=None)}, "cron=None"),
    "retries of yes": ({"retries": True}, "retries=True"),
    "retries of many digits": ({"retries": 10**5000}, "from 0 to 20"),
    "a backoff that is one number": ({"backoff": 5}, "backoff=5; .*list of seconds"),
    "a backoff that is a text": ({"backoff": "123"}, "list of seconds"),
    "a backoff of yes": ({"backoff": [True]}, "list of seconds"),
    "a backoff of a trillion seconds": ({"backoff": [1e12]}, "at most|more than 366 days"),
    "a backoff of years": ({"backoff": [DAYS * 2]}, "more than 366 days"),
    "a backoff that is not a number": ({"backoff": [float("nan")]}, "list of seconds"),
    "timeouts that are a number": ({"timeouts": 60}, "timeouts=60; Timeouts"),
    "a start of yes": ({"timeouts": Timeouts(start=True)}, r"Timeouts\(start=…\).*not True"),
    "a start that is a text": ({"timeouts": Timeouts(start="60")}, "not '60'"),
    "a start without end": ({"timeouts": Timeouts(start=float("inf"))}, "at most 366 days"),
    "a finish that is not a number": ({"timeouts": Timeouts(finish=float("nan"))}, "above 0"),
    "a finish of nothing": ({"timeouts": Timeouts(finish=timedelta(0))}, "above 0"),
    "a finish beyond all times": ({"timeouts": Timeouts(finish=1e300)}, "at most 366 days"),
    "a finish of many digits": ({"timeouts": Timeouts(finish=10**5000)}, "at most 366 days"),
    "a start beyond all times": ({"timeouts": Timeouts(start=timedelta.max)}, "at most 366 days"),
    "too much of everything": (
        {"trigger": [TriggerEvent(event="x" * 256, if_exp=LONG[:-200] + "'")] * 40},
        "configuration has .* bytes; at most 65,536",
    ),
}


@pytest.mark.parametrize(("options", "sentence"), UNCHECKED.values(), ids=UNCHECKED)
def test_a_configuration_of_the_wrong_types_is_refused_too(options, sentence):
    known = list(catalog.all_functions())
    with pytest.raises(InvalidFunction, match=sentence), registered(one, **options):
        pass
    assert list(catalog.all_functions()) == known


FITS = {
    "as long as it may be": {
        "fn_id": "i" * 192,
        "name": "n" * 190,
        "on_failure": one,
        "trigger": TriggerEvent(event="x" * 256),
    },
    "times of both kinds": {
        "timeouts": Timeouts(start=DAYS, finish=366 * 86_400),
        "backoff": [0, 0.5, timedelta(seconds=2), DAYS],
        "cancel_on": Cancel(event="test/cancel", timeout=1e-3),
    },
    "what looks like an escape": {"fn_id": "order_20"},
    "any characters that can be stored": {"fn_id": "a/b?c=%20 d\n“é🎵", "name": "\x7f 🎵"},
}


@pytest.mark.django_db
@pytest.mark.parametrize("options", FITS.values(), ids=FITS)
def test_what_is_accepted_is_synced_shown_and_run(options, admin_client):
    with registered(one, **options) as function:
        rows.sync()
        cron.sync()
        send(Event(name=function.triggers[0].event))
        drain()
    row = RegisteredFunction.objects.get(fn_id=function.fn_id)
    assert (row.name, "unfit" in row.config) == (function.name, False)
    run = the_run(function.fn_id)
    assert (run.status, run.output) == ("completed", 1)
    page = reverse("admin:jobs_registeredfunction_change", args=[quote(row.pk)])
    assert admin_client.get(page).status_code == 200
    shown = admin_client.get(page_of(run))
    assert (shown.status_code, page in shown.content.decode()) == (200, True)


@pytest.mark.parametrize("handler", [None, 42, "text"])
def test_what_cannot_be_called_is_refused(handler):
    with pytest.raises(InvalidFunction, match="not callable"), registered(handler):
        pass


async def later(ctx):
    return 1


def test_an_asynchronous_function_is_refused():
    with pytest.raises(InvalidFunction, match="async"), registered(later):
        pass


def nothing():
    return 1


def too_much(ctx, order):
    return 1


def by_name(*, ctx):
    return 1


def pieces(ctx):
    yield 1


class Callable:
    def __call__(self, ctx):
        return 1


class Later:
    async def __call__(self, ctx):
        return 1


@pytest.mark.parametrize(
    ("handler", "sentence"),
    [
        (nothing, r"must take one argument, the context: def nothing\(ctx\)"),
        (too_much, "one argument"),
        (by_name, "one argument"),
        (lambda: None, r"def handler\(ctx\)"),
        (functools.partial(one, None), "one argument"),
        (pieces, "generator"),
        (Later(), "async"),
    ],
)
@pytest.mark.parametrize("role", ["handler", "hook"])
def test_what_cannot_be_called_with_a_context_is_refused(role, handler, sentence):
    main, options = (handler, {}) if role == "handler" else (one, {"on_failure": handler})
    with pytest.raises(InvalidFunction, match=sentence), registered(main, **options):
        pass
    assert not catalog.knows("test-function")


def odd() -> Any:
    def handler(ctx):
        return 1

    handler.__module__, handler.__qualname__ = "m\0\ud800" * 300, "\udfff"
    return handler


@pytest.mark.django_db
@pytest.mark.parametrize("handler", [Callable(), functools.partial(one), odd(), lambda ctx, n=1: n])
def test_a_handler_may_be_odd(handler, admin_client):
    with registered(handler):
        rows.sync()
        go()
        drain()
    assert the_run().output == 1
    config = RegisteredFunction.objects.get(fn_id="test-function").config
    assert "unfit" not in config
    assert len(config["module"]) <= 300


def made(number):
    def handler(ctx):
        return number

    return handler


def loop(fn_id: str) -> None:
    for number in range(2):
        create_function(fn_id=fn_id)(made(number))


def test_two_functions_of_one_factory_are_two():
    """Of one id, at one place, with other values around them: one would be lost without a word."""
    try:
        with pytest.raises(InvalidFunction, match="Two functions have the id “looped”"):
            loop("looped")
        assert catalog.get("looped")(None) == 0
        create_function(fn_id="looped")(made(0))  # the same, as when its module is imported again
    finally:
        catalog.unregister("looped")


LOOPS = {
    "over a name of the module": """
for kind in ("a", "b"):
    @create_function(fn_id="looped")
    def looped(ctx):
        return kind
""",
    "with a factory that does not use what differs": """
def make(kind):
    @create_function(fn_id="looped")
    def looped(ctx):
        return 1

make("a")
make("b")
""",
    "over the triggers of one handler": """
def looped(ctx):
    return 1

for name in ("a", "b"):
    create_function(fn_id="looped", trigger=TriggerEvent(event=name))(looped)
""",
    "in a function": """
def declare():
    for kind in ("a", "b"):
        @create_function(fn_id="looped")
        def looped(ctx):
            return kind

declare()
""",
}


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
def test_a_loop_that_gives_two_functions_one_id_is_told_with_both_places(
    loop, tmp_path, monkeypatch
):
    """The code is the same, so only what was around it tells that one would be lost."""
    imported = "from jobs.api import TriggerEvent, create_function\n"
    (tmp_path / "made_in_a_loop.py").write_text(imported + loop)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        with pytest.raises(InvalidFunction, match="Two functions have the id “looped”") as raised:
            importlib.import_module("made_in_a_loop")
    finally:
        catalog.unregister("looped")
    assert str(raised.value).count("made_in_a_loop.py:") >= 2
    assert "must give each function that it makes an id of its own" in str(raised.value)


def test_two_calls_of_a_factory_are_told_by_the_lines_that_made_them(tmp_path, monkeypatch):
    imported = "from jobs.api import create_function\n"
    factory = LOOPS["with a factory that does not use what differs"]
    (tmp_path / "made_by_a_factory.py").write_text(imported + factory)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        with pytest.raises(InvalidFunction) as raised:
            importlib.import_module("made_by_a_factory")
    finally:
        catalog.unregister("looped")
    assert "(declared at made_by_a_factory.py:8)" in str(raised.value)
    assert "(declared at made_by_a_factory.py:9)" in str(raised.value)


def test_a_loop_in_a_function_that_runs_later_is_told_too():
    def declare() -> None:
        for kind in ("a", "b"):
            create_function(fn_id="late")(lambda ctx: kind)  # noqa: B023

    try:
        with pytest.raises(InvalidFunction, match="id “late”"):
            declare()
    finally:
        catalog.unregister("late")


def test_a_module_that_is_imported_again_registers_its_functions_again(tmp_path, monkeypatch):
    (tmp_path / "made_twice.py").write_text(
        "import functools\nfrom jobs.api import create_function\n"
        "def logged(f):\n    @functools.wraps(f)\n    def g(ctx):\n        return f(ctx)\n"
        "    return g\n"
        "@create_function(fn_id='twice')\n@logged\ndef twice(ctx, n=[1]):\n    return n\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    try:
        module = importlib.import_module("made_twice")
        again = importlib.reload(module)
        assert catalog.get("twice") is again.twice
    finally:
        catalog.unregister("twice")


def test_nothing_is_half_registered_when_a_hook_is_refused():
    with registered(other, fn_id="one-cancel"):
        with pytest.raises(InvalidFunction, match="Two functions have the id “one-cancel”"):
            create_function(fn_id="one", on_failure=other, on_cancel=one)(one)
        assert not catalog.knows("one")
        assert not catalog.knows("one-failure")
        assert catalog.get("one-cancel").handler is other


def test_anything_that_can_be_called_is_a_handler():
    with registered(functools.partial(one), fn_id="partial") as function:
        assert function(None) == 1
