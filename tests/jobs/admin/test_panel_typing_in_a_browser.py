"""What an operator has typed, ticked, scrolled or marked while a page refreshes, in Chromium."""

from __future__ import annotations

import pytest
from django.contrib.sessions.models import Session
from django.urls import reverse
from playwright.sync_api import Page, expect

from jobs.models import Run
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


def background_of(page: Page) -> tuple[str, str]:
    """Of the chip of the current status."""
    current = page.locator("a.jobs-chip[aria-current]").first
    style = "chip => getComputedStyle(chip).backgroundColor"
    while not (colour := current.evaluate(style)):  # a chip that a refresh has just replaced
        expect(current).to_be_visible()
    return "background-color", colour


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_what_can_be_done_with_ticked_runs_is_in_sight(
    browser, live_server, cookie, width, scheme
) -> None:
    rows.make_function()
    rows.make_function(f"{rows.FN}-failure", on_failure=None)
    rows.make_run(fn_id=f"{rows.FN}-failure")
    for _ in range(60):
        rows.failed_run()
    view = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    with chromium.opened(browser, live_server.url, cookie, **view) as looked:
        page = looked.page
        page.goto(reverse("admin:jobs_run_changelist"))
        button = page.get_by_role("button", name="Retry the ticked…")
        expect(button).not_to_be_in_viewport()
        ticks = page.locator("input[name=_selected_action]")

        ticks.nth(0).check()
        ticks.nth(2).check()

        expect(button).to_be_in_viewport(ratio=1)
        expect(page.get_by_role("status").filter(has_text="2 ticked")).to_be_visible()
        looked.picture(f"ticked-{scheme}-{width}")
        assert not looked.too_wide() + looked.axe_violations()
        expect(page.locator(".paginator .this-page")).to_have_css(*background_of(page))
        refresh(page, "runs")
        expect(page.locator("[data-ticked]")).to_have_text("2 ticked")
        page.locator("[data-tick-all]").check()
        expect(page.locator("[data-ticked]")).to_have_text("50 ticked")
        page.locator(".paginator").scroll_into_view_if_needed()
        looked.picture(f"pager-{scheme}-{width}")
        page.locator("[data-tick-all]").uncheck()
        expect(page.locator("[data-ticked]")).to_have_text("")


def long_output() -> Run:
    """A run under way with an output that is higher than its box."""
    run = rows.make_run(reason="turn", started_at=rows.now())
    rows.make_step(run, "look", rows.now(), 1, output={"lines": ["a line"] * 500})
    return run


def test_an_output_that_is_scrolled_stays_where_it_is_read(browser, live_server, cookie) -> None:
    run = long_output()
    with chromium.opened(browser, live_server.url, cookie) as looked:
        page = looked.page
        page.goto(reverse("admin:jobs_run_change", args=[run.pk]))
        page.locator("#jobs-steps ~ table summary").click()
        page.locator("#jobs-steps ~ table pre").evaluate("box => box.scrollTo(0, 300)")

        refresh(page, "run")

        assert page.locator("#jobs-steps ~ table pre").evaluate("box => box.scrollTop") == 300


def test_a_text_that_is_marked_stays_marked_and_the_page_says_why_it_stands_still(
    browser, live_server, cookie
) -> None:
    run = long_output()
    with chromium.opened(browser, live_server.url, cookie) as looked:
        page = looked.page
        page.goto(reverse("admin:jobs_run_change", args=[run.pk]))
        page.locator("#jobs-input pre").evaluate(
            "text => document.getSelection().selectAllChildren(text)"
        )

        page.evaluate("htmx.trigger('#run', 'refresh')")

        note = page.locator("#run [data-live-note]")
        expect(note).to_have_text("not refreshed while you mark a text")
        assert "songId" in page.evaluate("String(document.getSelection())")
        page.evaluate("document.getSelection().empty()")
        refresh(page, "run")
        expect(note).to_be_empty()


def test_a_site_that_is_silent_is_said_to_be(browser, live_server, cookie) -> None:
    run = long_output()
    with chromium.opened(browser, live_server.url, cookie) as looked:
        page = looked.page
        page.goto(reverse("admin:jobs_run_change", args=[run.pk]))
        assert page.evaluate("htmx.config.timeout") > 0
        page.evaluate("htmx.config.timeout = 50")
        page.route("**/change/", lambda route: None)  # never answered

        expect(page.locator("#run [data-live-note]")).to_have_text(
            "not refreshed: the site does not answer"
        )
        looked.complaints.clear()  # htmx tells the console of each


def test_what_is_typed_outlives_the_session(browser, live_server, cookie) -> None:
    rows.make_function("tidy-up", on_failure=None)
    with chromium.opened(browser, live_server.url, cookie) as looked:
        page = looked.page
        page.goto(reverse("admin:jobs_registeredfunction_changelist"))
        pause = page.locator("#pause-tidy-up")
        pause.locator("summary").click()
        pause.locator("input[name=reason]").fill("the studio is down")
        pause.locator("summary").focus()
        Session.objects.all().delete()

        page.evaluate("htmx.trigger('#functions', 'refresh')")

        expect(page.locator("#functions [data-live-note]")).to_contain_text(
            "your session has ended"
        )
        expect(pause.locator("input[name=reason]")).to_have_value("the studio is down")
