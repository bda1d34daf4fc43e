"""Runs that runs have invoked, on the panel: links, and what is said before a cancellation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from jobs.api import Context, Event, cancel, send
from jobs.models import Run
from jobs.testing import drain
from tests.jobs.admin.panel import history, page_of, said
from tests.jobs.admin.people import staff
from tests.support.functions import registered, the_run

pytestmark = pytest.mark.django_db


def calls(child: str) -> Any:
    return lambda ctx: ctx.step.invoke("ask", function=child, data={})


def naps(ctx: Context) -> None:
    ctx.step.sleep("nap", 3600)


@pytest.fixture(autouse=True)
def family() -> Iterator[None]:
    """“test-function” waits for “child”, which waits for “grandchild”, which sleeps."""
    with ExitStack() as functions:
        functions.enter_context(registered(calls("child")))
        functions.enter_context(registered(calls("grandchild"), fn_id="child", trigger=[]))
        functions.enter_context(registered(naps, fn_id="grandchild", trigger=[]))
        send(Event(name="test/go"))
        drain()
        yield


def page(client: Client, run: Run) -> str:
    return client.get(page_of(run)).content.decode()


def press(client: Client, run: Run, **data: str) -> Any:
    return client.post(reverse("admin:jobs_run_cancel", args=[run.pk]), data)


def statuses() -> list[str]:
    return [the_run(fn_id).status for fn_id in ("test-function", "child", "grandchild")]


def test_parent_and_invoked_run_are_linked_both_ways(admin_client: Client) -> None:
    parent, child = the_run(), the_run("child")

    assert f'<a href="{page_of(child)}">child</a>' in page(admin_client, parent)
    assert f'Invoked run <a href="{page_of(child)}">' in page(admin_client, parent)
    assert f'invoked by <a href="{page_of(parent)}">' in page(admin_client, child)


def test_before_a_cancellation_it_is_said_how_many_go_on_and_which(admin_client: Client) -> None:
    text = page(admin_client, the_run())

    assert "Cancel the 2 unfinished runs that it has invoked, too" in text
    told = text.split("Otherwise they go on:")[1].split("</p>")[0]
    assert page_of(the_run("child")) in told
    assert page_of(the_run("grandchild")) in told
    assert "Otherwise they go on" not in page(admin_client, the_run("grandchild"))


def test_without_the_choice_they_go_on_and_can_be_cancelled_afterwards(
    admin_client: Client,
) -> None:
    press(admin_client, the_run())

    assert statuses() == ["cancelled", "waiting", "waiting"]
    assert "Cancel the 2 unfinished runs that it has invoked</button>" in page(
        admin_client, the_run()
    )

    press(admin_client, the_run(), invoked="yes")

    assert statuses() == ["cancelled", "cancelled", "cancelled"]
    assert "that it has invoked</button>" not in page(admin_client, the_run())


def test_with_the_choice_they_are_cancelled_too_and_the_history_says_so(
    admin_client: Client,
) -> None:
    response = press(admin_client, the_run(), invoked="yes")

    assert statuses() == ["cancelled", "cancelled", "cancelled"]
    assert said(response) == "Cancelled, with the runs that it had invoked."
    assert history(the_run().pk) == ["admin: Cancelled, with the runs that it had invoked."]
    assert f"Run {the_run().pk} was cancelled" in page(admin_client, the_run("grandchild"))


def test_what_has_ended_with_all_that_it_invoked_is_refused(admin_client: Client) -> None:
    cancel(the_run().id, invoked=True)

    response = press(admin_client, the_run(), invoked="yes")

    assert said(response) == "Nothing was changed. The run had already ended."
    assert history(the_run().pk) == []


def test_a_viewer_is_offered_nothing_and_may_do_nothing() -> None:
    viewer = staff("rerun_run")

    assert "that it has invoked" not in page(viewer, the_run())
    assert press(viewer, the_run(), invoked="yes").status_code == 403
    assert statuses() == ["waiting", "waiting", "waiting"]


def test_a_retry_says_which_runs_go_on_with_it(admin_client: Client) -> None:
    cancel(the_run("child").id)
    drain()
    text = page(admin_client, the_run())

    told = text.split("So does the run that it waits for:")[1].split("</p>")[0]
    assert page_of(the_run("child")) in told


LIST = reverse("admin:jobs_run_changelist")


def choose(client: Client, *runs: Run, **data: str) -> str:
    form = {"action": "cancel_selected", "_selected_action": [str(run.pk) for run in runs]}
    return client.post(LIST, form | data, follow=True).content.decode()


def test_a_selection_of_runs_can_take_along_what_they_have_invoked(admin_client: Client) -> None:
    asked = choose(admin_client, the_run(), the_run("child"))
    assert "Cancel the 1 unfinished run that they have invoked, too" in asked

    choose(admin_client, the_run(), post="yes", invoked="yes")

    assert statuses() == ["cancelled", "cancelled", "cancelled"]


def test_a_selection_alone_lets_them_go_on(admin_client: Client) -> None:
    choose(admin_client, the_run(), post="yes")

    assert statuses() == ["cancelled", "waiting", "waiting"]


def test_so_can_all_that_the_list_shows(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.admin.bulk_actions.MAX_AT_ONCE", 1)
    form = {"action": "cancel_selected", "_selected_action": [str(the_run().pk)]}
    form |= {"post": "all", "invoked": "yes"}
    admin_client.post(f"{LIST}?fn_id=test-function", form)
    drain()

    assert statuses() == ["cancelled", "cancelled", "cancelled"]
