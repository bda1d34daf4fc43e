"""An event with the wrong shape raises InvalidEvent, says what and why, and writes nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count

import pytest

from jobs import models
from jobs.api import Event, InvalidEvent, send

pytestmark = pytest.mark.django_db


def nested(depth: int) -> list:
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


loop: list = []
loop.append(loop)

BAD = {
    "no event at all": ("test/go", "takes .*Event"),
    "a dict instead of an event": ([{"name": "test/go"}], "takes .*Event.*dict"),
    "a name that is empty": (Event(name="  "), "name must be 1 to 256 characters"),
    "a name that is no text": (Event(name=7), "name must be .* not 7"),
    "a name that is too long": (Event(name="x" * 257), "1 to 256"),
    "a name with a NUL": (Event(name="a\0b"), "name must be"),
    "a reserved name": (Event(name="jobs/function.failed"), "“jobs/” and “inngest/” are reserved"),
    "a reserved name in capitals": (Event(name="Inngest/thing"), "reserved"),
    "data that is a list": (Event(name="e", data=[1]), "JSON object .*not list"),
    "data that is None": (Event(name="e", data=None), "JSON object .*not NoneType"),
    "a value that is not JSON": (
        Event(name="e", data={"at": {datetime.now(UTC)}}),
        r"not JSON: it\['at'\] is of type set",
    ),
    "a key that is not JSON": (Event(name="e", data={(1, 2): 3}), "not JSON"),
    "a number that is not one": (Event(name="e", data={"a": float("nan")}), "not JSON"),
    "infinity": (Event(name="e", data={"a": [float("inf")]}), "not JSON"),
    "a NUL": (Event(name="e", data={"a": "x\0y"}), "NUL"),
    "a NUL in a key": (Event(name="e", data={"x\0y": 1}), "NUL"),
    "half a character": (Event(name="e", data={"a": "\ud800"}), "surrogate"),
    "data without a bottom": (Event(name="e", data={"a": nested(100_000)}), "not JSON"),
    "a list in itself": (Event(name="e", data={"a": loop}), "holds itself"),
    "a number longer than Python reads": (
        Event(name="e", data={"n": 10**5000}),
        "very many digits",
    ),
    "two keys that are one": (Event(name="e", data={1: "a", "1": "b"}), "the name '1' twice"),
    "a truth as time": (Event(name="e", ts=True), "milliseconds or a datetime"),
    "a time of very many digits": (Event(name="e", ts=10**5000), "not between 1980 and 2100"),
    "events without end": ((Event(name="e") for _ in count()), "More than 5,000 events at once"),
    "a mapping": ({"name": "e"}, "an Event or a list of them, not dict"),
    "too much data": (Event(name="e", data={"a": "x" * 524_288}), r"524,\d+ bytes; .*524,288"),
    "an id that is no text": (Event(name="e", id=5), "id must be a text"),
    "an id that is too long": (Event(name="e", id="x" * 257), "256 characters"),
    "an id with a NUL": (Event(name="e", id="a\0"), "id must be"),
    "a time in seconds": (Event(name="e", ts=1_700_000_000), "between 1980 and 2100"),
    "a time that is no number": (Event(name="e", ts="now"), "milliseconds or a datetime"),
    "a time without a zone": (Event(name="e", ts=datetime(2030, 1, 1)), "aware"),
    "a time beyond 2100": (Event(name="e", ts=datetime(2101, 1, 1, tzinfo=UTC)), "2100"),
    "too many events": ([Event(name="e")] * 5001, "5,001 events at once; at most 5,000"),
}


@pytest.mark.parametrize(("given", "sentence"), BAD.values(), ids=BAD)
def test_is_refused_with_a_sentence(given, sentence):
    with pytest.raises(InvalidEvent, match=sentence):
        send(given)

    assert not models.Event.objects.exists()


def test_exactly_512_kib_are_accepted():
    frame = len('{"a": ""}')
    send(Event(name="e", data={"a": "x" * (524_288 - frame)}))

    with pytest.raises(InvalidEvent, match="524,289 bytes"):
        send(Event(name="e", data={"a": "x" * (524_288 - frame + 1)}))


def test_the_text_backslash_u0000_is_no_nul():
    send(Event(name="e", data={"regex": r"\u0000"}))

    assert models.Event.objects.get().data == {"regex": r"\u0000"}


@pytest.mark.parametrize("given", [None, 7])
def test_what_is_no_event_and_no_list_is_refused_too(given):
    with pytest.raises(InvalidEvent, match=r"takes .*Event"):
        send(given)


@pytest.mark.parametrize("event", [Event(name="\ud800"), Event(name="e", id="\ud800")])
def test_half_a_character_in_a_name_or_an_id_is_refused(event):
    with pytest.raises(InvalidEvent):
        send(event)
