"""How functions are declared: what cannot be used is told at start, with the place."""

from __future__ import annotations

import functools

import pytest

from jobs import registry
from jobs.api import Concurrency, TriggerEvent, create_function
from jobs.errors import InvalidFunction, UnknownFunction
from jobs.models import RegisteredFunction
from tests.functions import registered


def one(ctx):
    return 1


def other(ctx):
    return 2


def test_a_registered_function_is_found_by_its_id_and_still_callable():
    with registered(one, fn_id="one", name="The one") as function:
        assert registry.get("one") is function
        assert (function.name, function(None)) == ("The one", 1)
    with pytest.raises(UnknownFunction, match="“one”"):
        registry.get("one")


def test_the_products_functions_are_discovered():
    assert registry.knows("generate-song-event")


def test_two_functions_with_one_id_are_told_with_both_places():
    with (
        registered(one, fn_id="same"),
        pytest.raises(InvalidFunction, match="id “same”") as raised,
    ):
        create_function(fn_id="same")(other)
    assert "test_registry.one:" in str(raised.value)
    assert "test_registry.other:" in str(raised.value)


def test_the_same_code_may_be_registered_again():
    with registered(one, fn_id="same"):
        create_function(fn_id="same")(one)


def test_a_hook_is_a_function_of_its_own_and_goes_with_its_function():
    with registered(one, fn_id="one", on_failure=other, retries=2):
        hook = registry.get("one-failure")
        assert (hook.handler, hook.retries, hook.triggers) == (other, 2, ())
    assert not registry.knows("one-failure")


@pytest.mark.django_db
def test_what_is_registered_is_written_down_for_operators():
    options = {
        "concurrency": [Concurrency(limit=1, key="event.data.userId")],
        "retries": 3,
        "on_failure": other,
    }
    with registered(one, fn_id="one", name="The one", **options):
        registry.sync()
        registry.sync()
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
    known = list(registry.all_functions())
    with pytest.raises(InvalidFunction, match=sentence) as raised, registered(one, **options):
        pass
    assert "test_registry.one:" in str(raised.value)
    assert list(registry.all_functions()) == known


UNCHECKED = {
    "an id that is no text": ({"fn_id": 7}, "1 to 200 characters"),
    "a backoff that is no number": ({"backoff": ["1"]}, "backoff must be a list of seconds"),
    "a backoff without end": ({"backoff": [float("inf")]}, "backoff"),
    "a limit beyond the column": ({"concurrency": [Concurrency(limit=2**31)]}, "limit=2147483648"),
    "a concurrency that is a number": ({"concurrency": 5}, "oncurrency"),
    "an event that is no text": ({"trigger": TriggerEvent(event=None)}, "event"),
    "an event without a name": ({"trigger": TriggerEvent(event="")}, "event"),
}


@pytest.mark.parametrize(("options", "sentence"), UNCHECKED.values(), ids=UNCHECKED)
def test_a_configuration_of_the_wrong_types_is_refused_too(options, sentence):
    with pytest.raises(InvalidFunction, match=sentence), registered(one, **options):
        pass


@pytest.mark.parametrize("handler", [None, 42, "text"])
def test_what_cannot_be_called_is_refused(handler):
    with pytest.raises(InvalidFunction, match="not callable"), registered(handler):
        pass


async def later(ctx):
    return 1


def test_an_asynchronous_function_is_refused():
    with pytest.raises(InvalidFunction, match="async"), registered(later):
        pass


def test_anything_that_can_be_called_is_a_handler():
    with registered(functools.partial(one), fn_id="partial") as function:
        assert function(None) == 1
