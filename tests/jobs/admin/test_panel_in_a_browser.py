"""Each page of the panel in Chromium, at two widths, light and dark: nothing sticks out, the
console stays silent (so the security policy is kept), and axe finds nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from jobs.admin import timeline
from jobs.models import Run
from tests.support import browser as chromium
from tests.support import rows

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        not chromium.CHROMIUM, reason="NO BROWSER TESTED: Chromium is not installed"
    ),
]
HOSTILE = "<script>alert(1)</script>‮" + "سلام 🎹 " + "w" * 9_000
PULSE = {"looked": 0.1, "claimed": 1.0, "at_work": 0, "workers": 4, "problem": ""}
LISTS = ("run", "event", "registeredfunction", "cluster")


@pytest.fixture
def world(operator, monkeypatch) -> list[str]:
    """Something on every page; the addresses of all pages."""
    for limit, of in {"MAX_STEPS": 6, "MAX_ATTEMPTS": 15, "MAX_LOG_LINES": 8}.items():
        monkeypatch.setattr(timeline, limit, of)
    rows.make_function()
    rows.make_function("generate-song-event-failure", triggers=[])
    paused = rows.make_function("tidy-up", triggers=[{"cron": "*/5 * * * *"}], on_failure=None)
    paused.paused_at = timezone.now()
    paused.save()
    rows.make_cluster(pulse=PULSE)
    runs = [rows.completed_run(rows.now() - timedelta(minutes=3 * n)) for n in range(1, 8)]
    runs += [rows.failed_run(), rows.backing_off_run(), rows.make_run(reason="turn")]
    runs += [hostile_run(), long_run()]
    kind = ContentType.objects.get_for_model(Run)
    for run in runs[-4:]:
        LogEntry.objects.create(
            user=operator,
            content_type=kind,
            object_id=str(run.pk),
            object_repr=str(run)[:200],
            action_flag=CHANGE,
            change_message="Retried from the failed step.",
        )
    lists = [reverse(f"admin:jobs_{model}_changelist") for model in LISTS]
    pages = [reverse("admin:jobs_run_change", args=[run.pk]) for run in runs[-6:]]
    return [
        reverse("admin:index"),
        reverse("admin:jobs_run_failures"),
        reverse("admin:jobs_run_changelist") + "?status__exact=failed&open=1&q=no-such",
        reverse("admin:jobs_run_changelist") + f"?fn_id={rows.FN}",
        reverse("admin:tables"),
        reverse("admin:hand_over"),
        reverse("admin:admin_logentry_changelist"),
        *lists,
        *pages,
        f"{pages[-1]}?steps=7&lines=x",
        reverse("admin:jobs_event_change", args=[runs[0].event_id]),
        reverse("admin:jobs_event_change", args=[runs[-1].event_id]),
        reverse("admin:jobs_event_send") + f"?name={rows.FN}",
        reverse("admin:jobs_registeredfunction_change", args=[rows.FN]),
        reverse("admin:jobs_registeredfunction_change", args=["tidy-up"]),
        reverse("admin:jobs_registeredfunction_invoke", args=[rows.FN]),
        reverse("admin:jobs_cluster_change", args=["melodymaker_3A1"]),
    ]


def long_run() -> Run:
    """With more steps, attempts and log lines than a page shows."""
    begun = rows.now() - timedelta(minutes=10)
    run = rows.make_run(begun, status="completed", started_at=begun, ended_at=rows.now())
    for number in range(9):
        at = begun + timedelta(minutes=number)
        rows.make_step(run, f"look-up-{number + 1}", at, 3, position=number, attempts=4)
        for again in range(4):
            rows.make_attempt(run, f"look-up-{number + 1}", at + timedelta(seconds=again), 0.5)
    for number in range(20):
        rows.make_line(run, begun + timedelta(seconds=number), f"line {number + 1}")
    return run


def hostile_run() -> Run:
    error = {"name": HOSTILE, "message": HOSTILE, "stack": HOSTILE, "step": HOSTILE[:200]}
    run = rows.make_run(
        event=rows.make_event(HOSTILE[:200], data={"say": HOSTILE}),
        fn_id=HOSTILE[:200],
        turn_keys=[HOSTILE],
        status="failed",
        error=error,
        started_at=rows.now() - timedelta(seconds=3),
        ended_at=rows.now(),
        worker=HOSTILE[:120],
    )
    rows.make_step(run, HOSTILE[:200], rows.now(), 1, output={"say": HOSTILE})
    rows.make_line(run, rows.now(), HOSTILE)
    return run


def test_every_page_is_whole(browser, live_server, cookie, world) -> None:
    problems: dict[str, list[str]] = {}
    with chromium.opened(browser, live_server.url, cookie) as looked:
        for number, address in enumerate(world):
            answer = looked.page.goto(address)
            assert answer, address
            assert answer.ok, address
            if found := looked.problems(f"page-{number:02}", sizes=True):
                problems[address] = found
    assert not problems


def test_a_row_that_changes_is_marked_and_what_was_ticked_stays(
    browser, live_server, cookie
) -> None:
    run, other = rows.make_run(reason="turn"), rows.make_run()
    with chromium.opened(browser, live_server.url, cookie) as looked:
        page = looked.page
        page.goto(reverse("admin:jobs_run_changelist"))
        page.get_by_label(f"Run {str(other.pk)[-8:]}").check()
        Run.objects.filter(pk=run.pk).update(reason="paused")

        page.evaluate("htmx.trigger('#runs', 'refresh')")

        expect(page.locator(f"#run-{run.pk}")).to_have_class("jobs-changed")
        expect(page.locator(f"#run-{run.pk}")).to_contain_text("its function is paused")
        expect(page.get_by_label(f"Run {str(other.pk)[-8:]}")).to_be_checked()


def test_what_is_open_on_a_runs_page_stays_open_until_it_stands_still(
    browser, live_server, cookie
) -> None:
    run = rows.backing_off_run()
    with chromium.opened(browser, live_server.url, cookie) as looked:
        page = looked.page
        page.goto(reverse("admin:jobs_run_change", args=[run.pk]))
        page.locator(".jobs-attempts summary").first.click()
        rows.make_line(run, rows.now(), "a new line of the log")

        expect(page.get_by_text("a new line of the log")).to_be_visible()
        expect(page.locator(".jobs-attempts details").first).to_have_attribute("open", "")
        now = rows.now()
        Run.objects.filter(pk=run.pk).update(
            status="failed", reason="", due_at=None, ended_at=now, error=rows.STEP_ERROR
        )
        expect(page.get_by_role("button", name="Retry from the failed step")).to_be_visible()
        assert page.locator("#run").get_attribute("hx-trigger") is None


def test_a_failure_is_mended_by_keyboard_alone(browser, live_server, cookie) -> None:
    rows.make_cluster(pulse=PULSE)
    run = rows.failed_run(failure_kind="call-modal-api · 500")
    with chromium.opened(browser, live_server.url, cookie) as looked:
        page = looked.page
        page.goto(reverse("admin:index"))
        tab_to(page, "run failed")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Runs")).to_be_visible()
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Copy the id")).to_be_visible()
        page.keyboard.press("r")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Retried from the failed step.")).to_be_visible()
    assert Run.objects.get(pk=run.pk).status == "queued"


def tab_to(page, words: str) -> None:
    """Press Tab until a link with these words has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if words in page.evaluate("document.activeElement.textContent"):
            return
    raise AssertionError(f"Tab never comes to “{words}”.")


def test_a_column_of_a_chart_tells_its_figures_to_the_keyboard(
    browser, live_server, cookie
) -> None:
    rows.completed_run()
    with chromium.opened(browser, live_server.url, cookie) as looked:
        page = looked.page
        page.goto(reverse("admin:index"))
        page.locator("#jobs-outcomes-61").focus()
        for _ in range(5):
            if "completed" in page.evaluate("document.activeElement.getAttribute('aria-label')"):
                break
            page.keyboard.press("ArrowLeft")
        expect(page.locator(".jobs-column:focus .jobs-tip")).to_be_visible()
        expect(page.locator(".jobs-column:focus .jobs-tip")).to_contain_text("1 completed")


def test_a_list_stands_still_when_the_operator_says_so(browser, live_server, cookie) -> None:
    run = rows.make_run(reason="turn")
    with chromium.opened(browser, live_server.url, cookie) as looked:
        page = looked.page
        page.goto(reverse("admin:jobs_run_changelist"))
        page.get_by_role("button", name="live").click()
        Run.objects.filter(pk=run.pk).update(reason="paused")

        page.evaluate("htmx.trigger('#runs', 'refresh')")
        expect(page.get_by_role("button", name="standing still")).to_be_visible()
        expect(page.locator(f"#run-{run.pk}")).to_contain_text("its turn")
        page.get_by_role("button", name="standing still").click()
        expect(page.locator(f"#run-{run.pk}")).to_contain_text("its function is paused")


def test_a_failed_run_on_paper_is_dark_on_white_with_its_times_and_its_traceback(
    browser, live_server, cookie
) -> None:
    run = rows.failed_run()
    with chromium.opened(browser, live_server.url, cookie) as looked:
        page = looked.page
        page.add_init_script("localStorage.setItem('theme', 'dark')")
        page.goto(reverse("admin:jobs_run_change", args=[run.pk]))
        page.emulate_media(media="print")

        expect(page.locator("body")).to_have_css("background-color", "rgb(255, 255, 255)")
        expect(page.locator("body")).to_have_css("color", "rgb(35, 28, 22)")
        expect(page.locator("#jobs-stack pre")).to_be_visible()
        expect(page.locator("#jobs-stack pre")).to_have_css("max-height", "none")
        for pressed in (".jobs-nav", "#user-tools", "#content button", ".jobs-press"):
            assert not page.locator(pressed).filter(visible=True).count(), pressed
        ended = page.locator(f'.jobs-facts time[datetime^="{run.ended_at:%Y-%m-%dT%H:%M}"]').last
        printed = ended.evaluate("time => getComputedStyle(time, '::after').content")
        assert f"{run.ended_at:%Y-%m-%d %H:%M:%S}" in printed


def test_a_list_of_runs_on_paper_is_a_table_of_whole_words(browser, live_server, cookie) -> None:
    rows.failed_run()
    with chromium.opened(browser, live_server.url, cookie) as looked:
        page = looked.page
        page.set_viewport_size({"width": 718, "height": 1000})  # A4 within its margins
        page.goto(reverse("admin:jobs_run_changelist"))
        page.emulate_media(media="print")

        expect(page.get_by_role("columnheader", name="Status")).to_be_visible()
        expect(page.locator("#runs tbody tr").first).to_have_css("display", "table-row")
        assert not looked.too_wide()


def test_the_current_page_and_filter_can_be_told_in_the_systems_own_colours(
    browser, live_server, cookie
) -> None:
    with chromium.opened(browser, live_server.url, cookie, forced_colors="active") as looked:
        page = looked.page
        page.goto(reverse("admin:jobs_run_changelist"))
        painted = "link => getComputedStyle(link).backgroundColor"
        for links in (".jobs-nav a", "#runs a.jobs-chip, .jobs-chips a.jobs-chip"):
            every = page.locator(links).filter(visible=True)
            current = every.and_(page.locator("[aria-current]")).first
            other = every.and_(page.locator(":not([aria-current])")).first
            assert current.evaluate(painted) != other.evaluate(painted), links


def test_on_a_narrow_screen_what_a_cell_says_stands_beside_its_label(
    browser, live_server, cookie
) -> None:
    kind = "call-modal-api · 500"
    rows.failed_run(failure_kind=kind)
    rows.make_run(failure_kind=kind)  # retried, and not over yet
    view = {"viewport": {"width": 390, "height": 900}}
    with chromium.opened(browser, live_server.url, cookie, **view) as looked:
        page = looked.page
        page.goto(reverse("admin:jobs_run_failures"))
        cell = page.locator("td[data-label=Mended]").first
        expect(cell).to_contain_text("under way")
        left = cell.evaluate("cell => cell.getBoundingClientRect().left")
        words = cell.locator("span").evaluate("words => words.getBoundingClientRect().left")
        assert words > left + 100


LONG = ("jobs-clusters", "jobs-functions", "jobs-acts")  # sections of Operations


def test_operations_folds_its_long_sections_on_a_narrow_screen_and_leaves_open_what_was_opened(
    browser, live_server, cookie
) -> None:
    for number in range(12):
        rows.make_function(f"function-{number}", triggers=[], on_failure=None)
    rows.make_cluster(pulse=PULSE)
    view = {"viewport": {"width": 390, "height": 900}}
    with chromium.opened(browser, live_server.url, cookie, **view) as looked:
        page = looked.page
        all_of_operations(page)
        long = "document.documentElement.scrollHeight"
        assert page.evaluate(long) < 4_000
        for section in LONG:
            expect(page.locator(f"#{section}-fold")).not_to_have_attribute("open", "")
        expect(page.get_by_role("table").filter(visible=True)).to_have_count(0)

        page.locator("#jobs-functions-fold > summary").click()
        expect(page.get_by_role("link", name="function-7")).to_be_visible()
        page.evaluate(REFRESHED)
        expect(page.get_by_role("link", name="function-7")).to_be_visible()
        expect(page.locator("#jobs-acts-fold")).not_to_have_attribute("open", "")
        assert looked.problems("operations-opened") == []


def test_operations_is_whole_on_a_wide_screen_on_paper_and_without_scripts(
    browser, live_server, cookie
) -> None:
    rows.make_function()
    rows.make_cluster(pulse=PULSE)
    wide, narrow = ({"viewport": {"width": width, "height": 900}} for width in (1280, 390))
    with chromium.opened(browser, live_server.url, cookie, **wide) as looked:
        all_of_operations(looked.page)
        assert are_shown(looked.page) == [True] * 3
        for section in LONG:
            looked.page.locator(f"#{section}-fold > summary").click()
        assert are_shown(looked.page) == [False] * 3
        looked.page.emulate_media(media="print")
        assert are_shown(looked.page) == [True] * 3
    with chromium.opened(
        browser, live_server.url, cookie, java_script_enabled=False, **narrow
    ) as looked:
        looked.page.goto(reverse("admin:index"))
        expect(looked.page.get_by_role("link", name="studio-1")).to_be_visible()
        looked.page.get_by_role("link", name="Functions and the last acts").click()
        expect(looked.page.get_by_role("link", name=rows.FN)).to_be_visible()
        expect(looked.page.get_by_role("link", name="Audit log").last).to_be_visible()


# Two parts of the page move by themselves: ask for both anew, and wait until they are there.
REFRESHED = """
() => new Promise((done) => {
  let left = document.querySelectorAll("[data-live]").length;
  document.addEventListener("htmx:afterSettle", () => { if (!--left) done(); });
  for (const part of document.querySelectorAll("[data-live]")) htmx.trigger(part, "refresh");
})
"""


def all_of_operations(page) -> None:
    page.goto(reverse("admin:index"))
    page.locator("#jobs-functions-fold").wait_for(state="attached")


def are_shown(page) -> list[bool]:
    """Whether what each section holds can be seen."""
    held = "part => part.querySelector('summary').nextElementSibling.checkVisibility()"
    return [page.locator(f"#{section}-fold").evaluate(held) for section in LONG]
