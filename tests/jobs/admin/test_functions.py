"""Pause, resume and replay a function, from its page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse

from jobs.api import Event, pause, send
from jobs.models import RegisteredFunction, Run
from jobs.testing import drain
from tests.jobs.admin.panel import history, said
from tests.jobs.admin.people import staff
from tests.support.functions import Diary, registered, three_steps

pytestmark = pytest.mark.django_db
FN = "panel/function_1"  # such ids are quoted in the admin's addresses


@pytest.fixture(autouse=True)
def diary() -> Iterator[Diary]:
    diary = Diary()
    with registered(three_steps(diary), fn_id=FN):
        RegisteredFunction.objects.get_or_create(fn_id=FN, defaults={"name": "Panel"})
        yield diary


def press(client: Client, button: str = "state", **data: str) -> Any:
    if data.get("to") in ("paused", "still"):
        data = {"reason": "the studio is ill"} | data
    return client.post(reverse(f"admin:jobs_registeredfunction_{button}", args=[quote(FN)]), data)


def page(client: Client) -> str:
    response = client.get(reverse("admin:jobs_registeredfunction_change", args=[quote(FN)]))
    assert response.status_code == 200
    return response.content.decode()


def function() -> RegisteredFunction:
    return RegisteredFunction.objects.get(pk=FN)


def statuses() -> list[str]:
    return list(Run.objects.filter(fn_id=FN).order_by("id").values_list("status", flat=True))


def test_a_function_is_paused_and_resumed_and_its_page_says_so(admin_client: Client) -> None:
    response = press(admin_client, to="paused")

    assert response.url == reverse("admin:jobs_registeredfunction_change", args=[quote(FN)])
    assert said(response) == "Paused; unfinished runs go on to their end."
    assert (function().paused_at is None, function().stands_still) == (False, False)
    assert "jobs-paused" in page(admin_client)
    assert (
        "jobs-paused"
        in admin_client.get(reverse("admin:jobs_registeredfunction_changelist")).content.decode()
    )

    assert said(press(admin_client, to="active")).endswith("Resumed.")
    assert function().paused_at is None
    paused = "admin: Paused; unfinished runs go on to their end. Why: the studio is ill"
    assert history(FN) == [paused, "admin: Resumed."]


def test_a_pause_has_a_reason_that_the_page_and_the_list_say(admin_client: Client) -> None:
    for nothing in ("", "   "):
        assert "say why you pause it" in said(press(admin_client, to="paused", reason=nothing))
    assert (function().paused_at, history(FN)) == (None, [])

    press(admin_client, to="paused", reason=" <b>the studio</b> is ill ")

    assert function().pause_reason == "<b>the studio</b> is ill"
    listed = admin_client.get(reverse("admin:jobs_registeredfunction_changelist"))
    for shown in (page(admin_client), listed.content.decode()):
        assert "by admin: “&lt;b&gt;the studio&lt;/b&gt; is ill”" in shown


@pytest.mark.parametrize("reason", ["w" * 501, "a\0b", "\u200b\u2060 \u3164"])
def test_a_reason_that_cannot_be_kept_is_told_and_nothing_is_paused(
    admin_client: Client, reason: str
) -> None:
    assert "The reason of a pause" in said(press(admin_client, to="paused", reason=reason))
    assert (function().paused_at, history(FN)) == (None, [])


def test_a_paused_function_keeps_its_reason_when_its_runs_go_on(admin_client: Client) -> None:
    press(admin_client, to="still", reason="the studio is ill")
    press(admin_client, to="paused", reason="")

    assert (function().stands_still, function().pause_reason) == (False, "the studio is ill")


def test_a_hook_says_what_its_pause_keeps_from_happening(admin_client: Client) -> None:
    assert "is not told" not in page(admin_client)
    config = {"on_failure": FN}
    RegisteredFunction.objects.create(fn_id="parent", name="parent", config=config)

    assert "nothing is told when a run of parent fails" in page(admin_client)


def test_unfinished_runs_may_stand_still_too(admin_client: Client, diary: Diary) -> None:
    send(Event(name="test/go"))

    press(admin_client, to="still")
    drain()
    assert (function().stands_still, diary.entries) == (True, [])
    assert "stand still" in page(admin_client)

    press(admin_client, to="active")
    drain()
    assert diary.entries == ["first", "second", "third"]


def test_what_was_skipped_is_replayed_once_by_a_run_that_can_be_followed(
    admin_client: Client, diary: Diary
) -> None:
    pause(FN)
    send([Event(name="test/go") for _ in range(3)])
    assert "Replay skipped runs: 3" in page(admin_client)
    press(admin_client, to="active")

    response = press(admin_client, "replay")

    bulk = Run.objects.get(fn_id="jobs-bulk")
    assert f"/{bulk.pk}/change/" in said(response)
    assert history(FN)[-1] == f"admin: Replayed the skipped runs, by run {bulk.pk}."
    drain()
    assert statuses() == ["skipped"] * 3 + ["completed"] * 3
    assert len(diary.entries) == 9

    assert "Replay" not in page(admin_client)
    assert said(press(admin_client, "replay")).endswith("No skipped run is left to replay.")
    drain()
    assert len(diary.entries) == 9


def skip_one_an_hour(hours: int) -> None:
    """One run skipped at 10:00, the next at 11:00 …, all on the same day."""
    pause(FN)
    send([Event(name="test/go") for _ in range(hours)])
    day = datetime(2026, 3, 1, tzinfo=UTC)
    for hour, run in enumerate(Run.objects.filter(fn_id=FN).order_by("id"), 10):
        Run.objects.filter(pk=run.pk).update(created_at=day.replace(hour=hour))


def replayed_hours() -> list[int]:
    reruns = Run.objects.filter(fn_id=FN, rerun_of__isnull=False).order_by("id")
    return [hour for (hour,) in reruns.values_list("rerun_of__created_at__hour")]


@pytest.mark.parametrize(
    ("part", "hours", "words"),
    [
        (
            {"since": "2026-03-01T11:00", "until": "2026-03-01T13:00"},
            [11, 12],
            " from 2026-03-01 11:00 UTC until 2026-03-01 13:00 UTC",
        ),
        ({"since": "2026-03-01T12:00", "until": ""}, [12, 13], " from 2026-03-01 12:00 UTC"),
        ({"until": "2026-03-01T10:30"}, [10], " until 2026-03-01 10:30 UTC"),
    ],
    ids=["both", "from", "until"],
)
def test_a_part_of_what_was_skipped_is_replayed_and_the_rest_stays(
    admin_client: Client, part: dict[str, str], hours: list[int], words: str
) -> None:
    skip_one_an_hour(4)

    response = press(admin_client, "replay", **part)

    drain()
    assert replayed_hours() == hours
    assert f"Skipped runs{words} are being replayed" in said(response)
    assert f"Replayed the skipped runs{words}, by run" in history(FN)[-1]
    assert f"Replay skipped runs: {4 - len(hours)}" in page(admin_client)


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        ({"since": "2026-03-01T13:00", "until": "2026-03-01T11:00"}, "ends before it begins"),
        ({"since": "tomorrow"}, "This is no time"),
        ({"since": "2026-03-02T00:00"}, "No skipped run from 2026-03-02 00:00 UTC is left"),
    ],
    ids=["backwards", "no time", "none of it"],
)
def test_a_part_that_cannot_be_replayed_is_a_sentence_and_stays_typed(
    admin_client: Client, part: dict[str, str], sentence: str
) -> None:
    skip_one_an_hour(2)

    response = press(admin_client, "replay", **part)

    assert sentence in said(response)
    assert not Run.objects.filter(fn_id="jobs-bulk").exists()
    shown = admin_client.get(response.url).content.decode()
    assert all(f'value="{value}"' in shown for value in part.values())
    assert '<details class="jobs-part" open>' in shown


def test_the_second_of_two_operators_is_told_and_changes_nothing(admin_client: Client) -> None:
    press(admin_client, to="paused")
    before = function().paused_at

    assert "another operator was quicker" in said(press(admin_client, to="paused"))
    assert (function().paused_at, len(history(FN))) == (before, 1)


def test_a_state_that_is_none_is_refused_with_what_is_allowed(admin_client: Client) -> None:
    response = press(admin_client, to="asleep")

    assert said(response) == ("A function cannot be 'asleep'; active, paused, still are allowed.")
    assert function().paused_at is None


def test_each_button_needs_its_permission() -> None:
    viewer, pauser = staff(), staff("pause_registeredfunction", name="pauser")
    pause(FN)
    send(Event(name="test/go"))

    for who, may in (
        (viewer, {}),
        (pauser, {"state"}),
        (staff("rerun_run", name="mender"), {"replay"}),
    ):
        assert ("Resume" in page(who)) == ("state" in may)
        assert ("Replay" in page(who)) == ("replay" in may)
        for button in ("replay", "state"):
            expected = 302 if button in may else 403
            assert press(who, button, to="active").status_code == expected


def test_looking_changes_nothing(admin_client: Client) -> None:
    for button in ("state", "replay"):
        address = reverse(f"admin:jobs_registeredfunction_{button}", args=[quote(FN)])
        assert admin_client.get(address).status_code == 405


def test_a_function_that_is_not_there_is_not_found(admin_client: Client) -> None:
    for button in ("state", "replay"):
        address = reverse(f"admin:jobs_registeredfunction_{button}", args=["gone"])
        assert admin_client.post(address, {"to": "paused"}).status_code == 404


@pytest.mark.parametrize(
    ("state", "offered"),
    [
        ("active", {"paused", "still"}),
        ("paused", {"active", "still"}),
        ("still", {"active", "paused"}),
    ],
)
def test_a_page_offers_what_would_change_something(
    admin_client: Client, state: str, offered: set[str]
) -> None:
    if state != "active":
        press(admin_client, to=state)
    shown = page(admin_client)
    assert {
        to for to in ("active", "paused", "still") if f'name="to" value="{to}"' in shown
    } == offered
