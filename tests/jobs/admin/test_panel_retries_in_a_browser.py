"""The pages that speak of retries and of conditions in Chromium, at two widths, light and dark:
nothing sticks out, the console stays silent, and axe finds nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from jobs.api import Concurrency, Context, Event, TriggerEvent, send
from jobs.events import condition_problems
from jobs.models import Run
from jobs.registry.rows import sync
from jobs.testing import drain
from tests.support import browser as chromium
from tests.support.functions import registered, the_run

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        not chromium.CHROMIUM, reason="NO BROWSER TESTED: Chromium is not installed"
    ),
]
LONG = " || ".join(f"event.data.destination.airport.code == '{code}'" for code in ("CDG", "ORY"))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A trip that waits for a tour, which does not go on; conditions that cannot be evaluated."""
    monkeypatch.setattr(condition_problems, "_written", {})

    def fails(ctx: Context) -> None:
        ctx.step.run("book-flight", str)
        ctx.step.run("book-car", int, "no car left")

    options = {
        "trip": {"handler": lambda ctx: ctx.step.invoke("tour", function="tour", data={})},
        "tour": {"handler": fails, "trigger": [], "resumable": False},
        "plain": {"handler": fails},
        "picky": {
            "handler": fails,
            "trigger": [
                TriggerEvent(event="test/other", if_exp=f"event.data.n > 3 && ({LONG})"),
                TriggerEvent(event="test/other", if_exp="event.data.absent == 1"),
            ],
            "concurrency": [Concurrency(limit=1, key="event.data.userId + 1")],
        },
    }
    with ExitStack() as there:
        for fn_id, given in options.items():
            there.enter_context(registered(fn_id=fn_id, **{"retries": 0} | given))
        sync()
        send([Event(name="test/go"), Event(name="test/other", data={"n": "many"})])
        drain()
        send(Event(name="test/other", data={"n": 4, "destination": {"airport": {"code": "ORY"}}}))
        yield [
            reverse("admin:index"),
            reverse("admin:jobs_run_change", args=[the_run("trip").pk]),
            reverse("admin:jobs_run_change", args=[the_run("tour").pk]),
            reverse("admin:jobs_registeredfunction_change", args=["picky"]),
            reverse("admin:jobs_registeredfunction_change", args=["tour"]),
        ]


def test_each_page_is_whole(browser, live_server, cookie, world) -> None:
    problems: dict[str, list[str]] = {}

    def look(name: str) -> None:
        if found := looked.problems(f"retries-{name}"):
            problems[name] = found

    with chromium.opened(browser, live_server.url, cookie) as looked:
        for number, address in enumerate(world):
            looked.page.goto(address)
            look(str(number))
        looked.page.goto(reverse("admin:jobs_run_changelist") + "?status__exact=failed")
        for run in Run.objects.filter(status="failed"):
            looked.page.get_by_label(f"Run {str(run.pk)[-8:]}").check()
        looked.page.get_by_role("button", name="Retry the ticked…").click()
        expect(looked.page.get_by_label("Rerun from the start the 1 run")).to_be_visible()
        look("confirm")
    assert not problems
