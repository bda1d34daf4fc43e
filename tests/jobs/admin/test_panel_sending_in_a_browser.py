"""Send an event in Chromium, by the keyboard alone, and watch its run get to its end."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from jobs.testing import drain
from tests.support import browser as chromium
from tests.support.functions import registered

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        not chromium.CHROMIUM, reason="NO BROWSER TESTED: Chromium is not installed"
    ),
]


@pytest.mark.parametrize("width", [1280, 390])
def test_an_event_is_sent_and_its_run_moves_to_its_end(browser, live_server, cookie, width) -> None:
    view = {"viewport": {"width": width, "height": 900}}
    with (
        registered(lambda ctx: ctx.event.data["n"]),
        chromium.opened(browser, live_server.url, cookie, **view) as looked,
    ):
        page = looked.page
        page.goto(reverse("admin:jobs_event_send"))
        page.get_by_label("Name", exact=True).focus()
        page.keyboard.type("test/go")
        page.keyboard.press("Tab")
        page.keyboard.press("Control+A")
        page.keyboard.type('{"n": 7}')
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent") == "Send the event":
                break
        page.keyboard.press("Enter")

        runs = page.locator("#event-runs")
        expect(page.get_by_text("The event was sent. It has started 1 run.")).to_be_visible()
        expect(runs.get_by_text("queued")).to_be_visible()
        drain()
        expect(runs.get_by_text("completed")).to_be_visible()
        expect(runs).not_to_have_attribute("data-live", "")
        looked.picture(f"sent-{width}")
        assert looked.too_wide() == []
