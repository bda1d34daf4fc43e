"""What may be remembered: JSON of at most 4 MiB; anything else is an error that says where."""

from __future__ import annotations

import sys
from datetime import UTC, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import NamedTuple

import pytest

from jobs.api import Event
from jobs.errors import InvalidOutput
from jobs.events import validation
from jobs.events.event import EventPayload
from jobs.lib.json_values import OUTPUT_LIMIT, to_json
from jobs.testing import drain, travel
from tests.support.functions import go, ran, registered, the_run


class Song:
    pass


class Shy(dict):
    def items(self):
        raise LookupError("not today")


class Odd(Enum):
    SONG = Song


class Taste(str, Enum):  # noqa: UP042
    SWEET = "sweet"


loop: list = []
loop.append(loop)

BAD = {
    "an object": (Song(), "is of type Song"),
    "an object inside": ({"song": {"made": Song()}}, r"it\['song'\]\['made'\] is of type Song"),
    "a set in a list": ([1, [2, {3}]], r"it\[1\]\[1\] is of type set"),
    "bytes": (b"abc", "is of type bytes"),
    "a decimal that is no number": ({"price": Decimal("NaN")}, r"it\['price'\] is NaN, no number"),
    "a time that knows its zone": ([time(1, tzinfo=UTC)], r"it\[0\] is of type time"),
    "not a number": ([float("nan")], r"it\[0\] is nan"),
    "infinity": ({"a": float("-inf")}, r"it\['a'\] is -inf"),
    "a key that is none": ({"a": {(1, 2): 3}}, r"it\['a'\] has a key of type tuple"),
    "itself": (loop, "is not JSON: it holds itself"),
    "a number longer than Python reads": ({"n": 10**4300}, r"it\['n'\] is a whole number of very"),
    "a number that no expression takes": ([10**309], "a whole number of 310 digits, .* 1.8e308"),
    "a key that is such a number": ({"a": {10**4300: 1}}, r"it\['a'\] has a key that is a whole"),
    "a key that is no number": ({float("nan"): 1}, "has a key that is nan"),
    "two keys that are one in JSON": ([{1: "a", "1": "b"}], "has the name '1' twice"),
    "true and its word": ({True: "a", "true": "b"}, "has the name 'true' twice"),
    "a NUL in a key": ({"a\0": 1}, "NUL"),
    "half a character in a key": ({"\udfff": 1}, "surrogate"),
    "a dict that cannot be read": ({"a": Shy(b=1)}, r"it cannot be read \(LookupError\)"),
    "a member that stands for no JSON": ([Odd.SONG], r"it\[0\].value is of type type"),
    "a NUL": ({"a": "x\0y"}, "NUL"),
    "half a character": (["\ud800"], "surrogate"),
    "too much": ("x" * OUTPUT_LIMIT, r"4,194,30\d bytes of JSON; at most 4,194,304 fit"),
}


@pytest.mark.parametrize(("value", "sentence"), BAD.values(), ids=BAD)
def test_what_cannot_be_remembered_is_told_with_its_type_and_its_place(value, sentence):
    with pytest.raises(InvalidOutput, match=sentence) as raised:
        to_json(value, "The output of step “one”")
    assert str(raised.value).startswith("The output of step “one” ")


class Size(IntEnum):
    LARGE = 3


class Point(NamedTuple):
    x: int
    y: float


KEPT = {
    "the longest number": int(1.7976931348623157e308),
    "a negative one": -(10**308),
    "digits that are a text": {"9" * 5_000: "9" * 5_000},
    "beyond 64 bits": [2**63, 2**64 + 1, -(2**63) - 1],
    "a large float": [1e308, -1.7976931348623157e308, 1e23, 1e16, 123456789012345678.0],
    "a small float": [5e-324, 2.2250738585072014e-308, 1e-7, 0.1 + 0.2],
    "negative zero": [-0.0, 0.0, 0, 1.0],
    "keys that are no texts": {1: "a", 2.5: "b", None: "c", False: "d", "": "e"},
    "keys in any order": {"bb": 1, "a": 2, "": 3, "é": 4, "aa": 5, "B": 6},
    "a tuple": (1, (2, ()), Point(1, 2.5)),
    "members of enumerations": {Taste.SWEET: [Taste.SWEET, Size.LARGE]},
    "a text of half a megabyte": "ü" * 250_000,
    "what looks like an escape": ["\\u0000", "\\", '"', "\x7f", "\u2028", "🎵"],
}


@pytest.mark.django_db
@pytest.mark.parametrize("value", KEPT.values(), ids=KEPT)
def test_what_is_remembered_is_what_the_database_gives_back_to_the_last_digit(value):
    """Of a step, of a run and of an event, now and when the run goes on."""
    seen = []

    def handler(ctx):
        seen.append([ctx.step.run("one", lambda: value), ctx.event.data["value"]])
        ctx.step.sleep("nap", 1)
        return value

    with registered(handler):
        run = go({"value": value})
        expressed = EventPayload.of_event(validated_event(value), run.event).data["value"]
        drain()
        travel(timedelta(seconds=2))
        drain()
    run = the_run()
    kept = [*seen[0], *seen[1], run.output, run.steps.get(name="one").output, expressed]
    assert len(seen) == 2
    assert {repr(one) for one in kept} == {repr(to_json(value, "it"))}


def validated_event(value):
    return validation.validate(Event(name="test/go", data={"value": value}))


def test_a_process_that_takes_longer_numbers_accepts_none_that_others_cannot_read():
    usual = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        with pytest.raises(InvalidOutput, match="a whole number of 4,301 digits"):
            to_json([10**4300], "it")
    finally:
        sys.set_int_max_str_digits(usual)


def test_four_mebibytes_fit():
    text = "x" * (OUTPUT_LIMIT - 2)
    assert to_json(text, "it") == text


@pytest.mark.parametrize("text", [r"\u0000", r"\ud800", "\\", '"', "\u2028", "\x1f", "\x7f", ""])
def test_any_text_that_can_be_stored_is_remembered(text):
    assert to_json({text: text}, "it") == {text: text}


@pytest.mark.django_db
def test_the_step_and_the_type_are_named_where_the_operator_looks():
    run = ran(lambda ctx: ctx.step.run("one", lambda: {"made": Song()}), retries=3)

    assert run.status == "failed"
    attempt = run.attempts.get(step_name="one")
    assert attempt.error_message.startswith("The output of step “one” is not JSON: it['made'] is")


@pytest.mark.django_db
def test_what_a_function_returns_is_json_too():
    run = ran(lambda ctx: Song())

    assert run.status == "failed"
    assert "The output of “test-function” is not JSON" in run.error["message"]


@pytest.mark.django_db
@pytest.mark.parametrize("value", [None, 0, "", [], {"a": [1, 2.5, None, True]}])
def test_what_a_function_returns_is_its_runs_output(value):
    run = ran(lambda ctx: value)

    assert (run.status, run.output) == ("completed", value)
