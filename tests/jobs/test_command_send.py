"""`manage.py send`: an event from where a developer works."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from itertools import count

import pytest
from django.core.management import CommandError, call_command

from jobs.api import Context, NonRetriableError, TriggerEvent
from jobs.management import follow
from jobs.models import Event as EventRow
from jobs.models import Run
from jobs.testing import drain
from tests.support.functions import Diary, nap, registered, the_run

pytestmark = pytest.mark.django_db


def send(*words: str) -> str:
    """What the command writes."""
    out = io.StringIO()
    call_command("send", *words, stdout=out, stderr=out)
    return out.getvalue()


def refused(*words: str) -> str:
    """What the command refuses with; it has sent nothing."""
    with pytest.raises(CommandError) as problem:
        send(*words)
    assert not EventRow.objects.exists()
    return str(problem.value)


@pytest.fixture
def drained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clusters work while the command sleeps."""
    monkeypatch.setattr(follow, "sleep", lambda seconds: drain())


def test_an_event_is_sent_and_its_runs_are_named():
    with registered(lambda ctx: ctx.event.data["n"]), registered(print, fn_id="another"):
        said = send("test/go", '{"n": 7}')
        drain()
    run = the_run()
    assert run.output == 7
    assert said.splitlines()[:2] == [
        f"Sent “test/go” as event {run.event_id}.",
        "It has started 2 runs:",
    ]
    assert f"  test-function  {run.id}  queued" in said


def test_the_data_may_come_from_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO('{"n":\n 8}'))
    send("test/go", "-")
    assert EventRow.objects.get().data == {"n": 8}


def test_an_event_without_data_has_an_empty_object():
    send("test/go")
    assert EventRow.objects.get().data == {}


@pytest.mark.parametrize("ts", ["2030-01-31T12:00:00Z", "2030-01-31 13:00+01:00", "1896091200000"])
def test_its_time_may_be_given(ts: str):
    with registered(print):
        send("test/go", "--ts", ts)
    assert the_run().due_at == EventRow.objects.get().ts == datetime(2030, 1, 31, 12, tzinfo=UTC)


def test_an_id_that_came_before_starts_nothing_and_names_the_first_event():
    with registered(print):
        send("test/go", "--id", "order-7")
        said = send("test/go", "--id", "order-7")
    assert "An event with the id 'order-7' came within the last 24 hours" in said
    assert str(EventRow.objects.get().id) in said
    assert Run.objects.count() == 1


def test_an_event_that_starts_nothing_says_why():
    with registered(print, trigger=TriggerEvent(event="test/go", if_exp="event.data.n > 3")):
        said = send("test/go", '{"n": 1}')
        assert "It has started no run. The condition (if_exp) of “test-function” is not" in said
        said = send("test/og")
    assert "No function is triggered by “test/og”. Did you mean “test/go”?" in said


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["x", '{"a": 1,\n "b" 2}'], 'in line 2, column 6.\n   "b" 2}\n       ^'),
        (["x", "{'a': 1}"], "in line 1, column 2.\n  {'a': 1}\n   ^"),
        (["x", ""], "This is not JSON: Expecting value, in line 1, column 1."),
        (["x", "{" + " " * 200 + "}]"], "in line 1, column 203."),
        (["x", '{"a": 1, "a": 2}'], "“a” stands twice in one object"),
        (["x", "[1]"], "data must be a JSON object (a dict), not list"),
        (["x", '{"a": NaN}'], "is not JSON: it['a'] is nan"),
        (["", "{}"], "An event's name must be 1 to"),
        (["jobs/mine", "{}"], "are reserved"),
        (["x", "--id", "a" * 257], "id must be a text of at most 256 characters"),
        (["x", "--ts", "tomorrow"], "'tomorrow' is no time"),
        (["x", "--ts", "2030-01-31T12:00:00"], "ISO 8601 with a zone"),
        (["x", "--ts", "2030-13-31T12:00:00Z"], "is no time"),
        (["x", "--ts", "5"], "is not between 1980 and 2100"),
        (["x", "--wait", "0"], "'0' is no number of seconds above 0"),
        (["x", "--wait", "long"], "'long' is no number of seconds"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_its_place(words: list[str], sentence: str):
    assert sentence in refused(*words)


# --- following ------------------------------------------------------------------------------------


def test_runs_are_followed_to_their_end(drained):
    with registered(lambda ctx: {"gift": "a hat"}):
        said = send("test/go", "--wait")
    assert "  test-function  queued\n" in said
    assert re.search(r'  test-function  completed after \d+\.\d s: {"gift": "a hat"}\n', said)


def test_a_run_that_fails_makes_the_command_fail(drained):
    def fails(ctx: Context) -> None:
        raise NonRetriableError("sold out")

    with registered(fails), pytest.raises(CommandError, match=r"1 of 1 runs did not end well\."):
        send("test/go", "--wait")


def of_its_step(ctx: Context) -> None:
    ctx.step.run("charge", charge, ctx.event.data)


def of_its_own(ctx: Context) -> None:
    ctx.step.sleep("nap", 0)
    charge(ctx.event.data)


def charge(data: dict[str, int]) -> int:
    return data["price"]


@pytest.mark.parametrize("handler", [of_its_step, of_its_own])
def test_the_error_of_a_run_that_fails_is_told_with_its_class_and_the_authors_line(
    drained, handler
):
    out = io.StringIO()
    with registered(handler, retries=0), pytest.raises(CommandError, match="did not end well"):
        call_command("send", "test/go", "--wait", stdout=out)
    line = charge.__code__.co_firstlineno + 1
    assert f"KeyError: 'price' (tests/jobs/test_command_send.py:{line})\n" in out.getvalue()


def test_a_run_that_goes_on_is_left_after_the_given_time(monkeypatch):
    looks = count(0.0, 0.3)
    monkeypatch.setattr(follow, "monotonic", lambda: next(looks))
    monkeypatch.setattr(follow, "sleep", lambda seconds: drain())
    out = io.StringIO()
    with (
        registered(nap(Diary())),
        pytest.raises(CommandError, match="1 of 1 runs go on after 2 s"),
    ):
        call_command("send", "test/go", "--wait", "2", stdout=out, stderr=out)
    assert "waiting: sleeping, until " in out.getvalue()
    assert out.getvalue().count("waiting") == 1
    assert "Runs are not being taken up: no cluster has ever been heard of." in out.getvalue()


def test_a_run_of_an_event_that_is_to_come_says_when_it_is_due(monkeypatch):
    looks = count(0.0, 2.0)
    monkeypatch.setattr(follow, "monotonic", lambda: next(looks))
    monkeypatch.setattr(follow, "sleep", lambda seconds: None)
    out = io.StringIO()
    words = ("test/go", "--ts", "2090-01-31T12:00:00Z", "--wait", "2")
    with registered(lambda ctx: None), pytest.raises(CommandError, match="go on after 2 s"):
        call_command("send", *words, stdout=out, stderr=out)
    assert "  test-function  queued, due 2090-01-31 12:00:00 UTC\n" in out.getvalue()


def test_ctrl_c_leaves_the_runs_alone(monkeypatch):
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(follow, "sleep", interrupted)
    with registered(print), pytest.raises(CommandError, match=r"The runs go on\.") as problem:
        send("test/go", "--wait")
    assert problem.value.returncode == 130
    assert the_run().status == "queued"


def test_nothing_is_followed_where_no_run_has_started():
    said = send("test/unheard", "--wait")
    assert "It has started no run." in said
    assert "taken up" not in said
