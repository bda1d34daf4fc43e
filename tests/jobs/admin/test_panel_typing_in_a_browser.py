"""What an operator has typed or ticked while the page refreshes itself, in Chromium."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from tests.support import browser as chromium
from tests.support import rows

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        not chromium.CHROMIUM, reason="NO BROWSER TESTED: Chromium is not installed"
    ),
]
LISTS = {"operations-more": "admin:index", "functions": "admin:jobs_registeredfunction_changelist"}


def refresh(page: Page, part: str) -> None:
    before = page.locator(f"#{part}").element_handle()
    page.evaluate("part => htmx.trigger(`#${part}`, 'refresh')", part)
    page.wait_for_function("old => !old.isConnected", arg=before)
    expect(page.locator(f"#{part}")).not_to_have_class("htmx-settling")


@pytest.mark.parametrize("part", LISTS)
def test_a_reason_that_is_typed_outlives_the_refresh(browser, live_server, cookie, part) -> None:
    rows.make_function("tidy-up", on_failure=None)
    with chromium.opened(browser, live_server.url, cookie) as looked:
        page = looked.page
        page.goto(reverse(LISTS[part]))
        pause = page.locator("#pause-tidy-up")
        pause.locator("summary").click()
        pause.locator("input[name=reason]").fill("the studio is down")
        pause.locator("summary").focus()
        if part == "functions":
            rows.make_function("another-before-it", on_failure=None)

        refresh(page, part)

        expect(page.locator("#pause-tidy-up")).to_have_attribute("open", "")
        expect(pause.locator("input[name=reason]")).to_have_value("the studio is down")
        if part == "functions":  # a row that has come in does not take them
            other = page.locator("#pause-another-before-it")
            expect(other).not_to_have_attribute("open", "")
            expect(other.locator("input[name=reason]")).to_have_value("")
