"""A developer proves a function: what a crash does twice, or not at all, is found and named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from jobs.api import Context, Event, InvalidEvent, StepError, send
from jobs.models import Run
from jobs.testing import (
    Answer,
    Boundary,
    CrashingCluster,
    registered,
    survives_every_crash,
    travel,
)
from songs.models import Category
from tests.support.cast import listener

pytestmark = pytest.mark.django_db(transaction=True)

GO = Event(name="test/go", data={"n": 1})


def book(name: str) -> None:
    Category.objects.create(name=name, folded=name)


def count(name: str) -> None:
    """One more."""
    row, _ = Category.objects.get_or_create(folded=name, defaults={"name": "0"})
    row.name = str(int(row.name) + 1)
    row.save(update_fields=["name"])


def test_a_function_of_atomic_steps_survives():
    def handler(ctx: Context) -> None:
        ctx.step.run("first", book, "first")
        ctx.step.sleep("nap", 3 * 86_400)
        ctx.step.run("second", count, "second")

    assert survives_every_crash(handler, GO) >= 16
    assert not Category.objects.exists()
    assert not Run.objects.exists()


def test_the_rows_of_the_test_are_there_in_each_life_and_after_it():
    alice = listener("alice")
    seen = []

    def handler(ctx: Context) -> None:
        ctx.step.run("look", lambda: seen.append(alice.__class__.objects.get(pk=alice.pk).credits))
        ctx.step.run("charge", lambda: alice.__class__.objects.update(credits=0))

    crashes = survives_every_crash(handler, GO)
    assert len(seen) >= crashes
    assert set(seen) == {3}
    alice.refresh_from_db()
    assert alice.credits == 3


def test_a_body_that_acts_outside_and_is_not_safe_to_repeat_is_found_with_its_step():
    charged: list[int] = []

    def handler(ctx: Context) -> None:
        ctx.step.run("price", book, "price")
        ctx.step.run("charge", charged.append, 7, atomic=False)

    with pytest.raises(AssertionError) as found:
        survives_every_crash(handler, GO, begin=charged.clear, facts=lambda: list(charged))
    said = str(found.value)
    assert "1 of " in said
    assert "Died before commit" in said
    assert "at step “charge”:\n    facts: [7, 7], and without the crash [7]" in said


def test_the_same_body_under_a_key_survives():
    charged: dict[str, int] = {}

    def handler(ctx: Context) -> None:
        ctx.step.run("charge", charged.__setitem__, ctx.run_id, 7, atomic=False)

    survives_every_crash(handler, GO, begin=charged.clear, facts=lambda: len(charged))


def test_rows_that_a_body_writes_twice_outside_a_transaction_are_found():
    def handler(ctx: Context) -> None:
        ctx.step.run("count", count, "songs", atomic=False)

    with pytest.raises(AssertionError, match=r"songs\.Category: 1 more of \(.*name=2"):
        survives_every_crash(handler, GO)


def test_a_step_whose_failure_is_caught_and_a_fetch_survive(endpoint):
    def handler(ctx: Context) -> None:
        try:
            ctx.step.fetch("ask", f"{endpoint.url}/gone")
        except StepError:
            ctx.step.run("note", book, "gone")

    def keys() -> int:
        return len({asked.headers["idempotency-key"] for asked in endpoint.asked})

    endpoint.on("GET", "/gone", Answer(404))
    survives_every_crash(handler, GO, begin=endpoint.asked.clear, facts=keys)


def test_code_between_steps_that_acts_is_found():
    """It is called again with each replay, and with each crash once more."""
    said: list[str] = []

    def handler(ctx: Context) -> None:
        said.append("hello")
        ctx.step.run("first", book, "first")

    with pytest.raises(AssertionError, match="facts: 2, and without the crash 1"):
        survives_every_crash(handler, GO, begin=said.clear, facts=lambda: len(said))


def test_a_registered_function_is_taken_as_it_is():
    with registered(lambda ctx: ctx.step.run("first", book, "first")) as function:
        assert survives_every_crash(function, GO) >= 8


@pytest.mark.parametrize(
    ("act", "options", "sentence"),
    [
        (lambda names: book(names.pop()), {}, "have different outcomes.*songs.Category"),
        (
            lambda names: None,
            {"event": Event(name="test/other")},
            "starts no run of “test-function”",
        ),
    ],
)
def test_what_proves_nothing_is_said(act: Callable[[Any], Any], options: Any, sentence: str):
    names = [f"name {number}" for number in range(1000)]
    event = options.pop("event", GO)
    trigger = registered(lambda ctx: ctx.step.run("act", act, names), retries=0)
    with trigger as function, pytest.raises(AssertionError, match=f"(?s){sentence}"):
        survives_every_crash(function, event)


def test_a_column_that_is_different_each_time_may_be_left_out():
    names = [f"name {number}" for number in range(1000)]

    def handler(ctx: Context) -> None:
        ctx.step.run("act", lambda: book(names.pop()))

    survives_every_crash(handler, GO, ignore=["songs_category.name", "songs_category.folded"])
    with pytest.raises(ValueError, match="no table has this column"):
        survives_every_crash(handler, GO, ignore=["songs_category.nam"])


def test_what_is_no_event_is_refused():
    with pytest.raises(InvalidEvent, match=r"send\(\) takes jobs\.api\.Event"):
        survives_every_crash(print, "test/go")


def test_a_cluster_dies_at_the_commit_of_ones_choice_and_another_goes_on():
    with registered(lambda ctx: ctx.step.run("first", book, "first")):
        send(GO)
        cluster = CrashingCluster(Boundary("step_runner.attempt", 1, before=True), one_by_one=True)
        assert not cluster.work()
        assert cluster.last_step == "first"
        assert not Category.objects.exists()

        travel(timedelta(minutes=1))
        assert CrashingCluster().work()
    assert Category.objects.get().name == "first"


@pytest.mark.django_db(transaction=False)
def test_a_test_in_a_transaction_is_told_what_it_needs():
    with pytest.raises(AssertionError, match=r"django_db\(transaction=True\)"):
        survives_every_crash(print, GO)
