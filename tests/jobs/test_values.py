"""What may be remembered: JSON of at most 4 MiB; anything else is an error that says where."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from jobs.errors import InvalidOutput
from jobs.values import OUTPUT_LIMIT, remembered
from tests.functions import ran

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Song:
    pass


loop: list = []
loop.append(loop)

BAD = {
    "an object": (Song(), "is of type Song"),
    "a date inside": ({"song": {"made": NOON}}, r"it\['song'\]\['made'\] is of type datetime"),
    "a set in a list": ([1, [2, {3}]], r"it\[1\]\[1\] is of type set"),
    "bytes": (b"abc", "is of type bytes"),
    "a decimal": ({"price": Decimal("1.5")}, r"it\['price'\] is of type Decimal"),
    "a uuid": ([uuid.UUID(int=0)], r"it\[0\] is of type UUID"),
    "not a number": ([float("nan")], r"it\[0\] is nan"),
    "infinity": ({"a": float("-inf")}, r"it\['a'\] is -inf"),
    "a key that is none": ({"a": {(1, 2): 3}}, r"it\['a'\] has a key of type tuple"),
    "itself": (loop, "is not JSON"),
    "a NUL": ({"a": "x\0y"}, "NUL"),
    "half a character": (["\ud800"], "surrogate"),
    "too much": ("x" * OUTPUT_LIMIT, r"4,194,30\d bytes of JSON; at most 4,194,304 fit"),
}


@pytest.mark.parametrize(("value", "sentence"), BAD.values(), ids=BAD)
def test_what_cannot_be_remembered_is_told_with_its_type_and_its_place(value, sentence):
    with pytest.raises(InvalidOutput, match=sentence) as raised:
        remembered(value, "The output of step “one”")
    assert str(raised.value).startswith("The output of step “one” ")


def test_four_mebibytes_fit():
    text = "x" * (OUTPUT_LIMIT - 2)
    assert remembered(text, "it") == text


@pytest.mark.parametrize("text", [r"\u0000", r"\ud800", "\\", '"', "\u2028", "\x1f", "\x7f", ""])
def test_any_text_that_can_be_stored_is_remembered(text):
    assert remembered({text: text}, "it") == {text: text}


@pytest.mark.django_db
def test_the_step_and_the_type_are_named_where_the_operator_looks():
    run = ran(lambda ctx: ctx.step.run("one", lambda: {"made": NOON}), retries=3)

    assert run.status == "failed"
    attempt = run.attempts.get(step_name="one")
    assert attempt.error_message.startswith("The output of step “one” is not JSON: it['made'] is")


@pytest.mark.django_db
def test_what_a_function_returns_is_json_too():
    run = ran(lambda ctx: NOON)

    assert run.status == "failed"
    assert "What “test-function” returns is not JSON" in run.error["message"]


@pytest.mark.django_db
@pytest.mark.parametrize("value", [None, 0, "", [], {"a": [1, 2.5, None, True]}])
def test_what_a_function_returns_is_its_runs_output(value):
    run = ran(lambda ctx: value)

    assert (run.status, run.output) == ("completed", value)
