"""Functions in the panel: how each was registered, how it goes, and a run started by hand."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from jobs.api import Cancel, Concurrency, Event, Timeouts, TriggerCron, TriggerEvent, pause, send
from jobs.maintenance import cron
from jobs.models import CronSchedule, RegisteredFunction, Run
from jobs.registry import rows as registry_rows
from jobs.testing import drain
from tests.jobs.admin.panel import history, said, shown
from tests.support import cast, rows
from tests.support.functions import registered

pytestmark = pytest.mark.django_db
LIST = reverse("admin:jobs_registeredfunction_changelist")
FN = "test-function"
HOSTILE = "<script>alert(1)</script>‮" + "سلام 🎹 " + "w" * 100


def page_of(fn_id: str = FN) -> str:
    return reverse("admin:jobs_registeredfunction_change", args=[quote(fn_id)])


def invoke_of(fn_id: str = FN) -> str:
    return reverse("admin:jobs_registeredfunction_invoke", args=[quote(fn_id)])


def row_of(page: str, fn_id: str) -> str:
    """The function's row of the list."""
    found = next(row for row in page.split("<tr id=") if f"<bdi>{fn_id}</bdi>" in row)
    return found.split("</tr>")[0]


def cell(row: str, label: str) -> str:
    return row.split(f'data-label="{label}"')[1].split(">", 1)[1].split("</td>")[0]


def test_the_list_has_each_functions_figures(admin_client: Client) -> None:
    rows.make_function()
    rows.completed_run(), rows.completed_run(), rows.failed_run()
    rows.make_run()

    row = row_of(shown(admin_client, LIST), rows.FN)

    figures = [cell(row, label) for label in ("Pending", "Completed", "Success", "Middle")]
    assert figures[:3] == ["1", "2", "66.7 %"]
    assert figures[3].endswith(" s")
    assert ">1</a>" in cell(row, "Failed")
    assert "event “generate-song-event”; 1 at a time per event.data.userId" in row


def test_a_paused_function_says_what_was_skipped_and_is_resumed_from_the_list(
    admin_client: Client,
) -> None:
    with registered(print):
        registry_rows.sync()
        pause(FN)
        send([Event(name="test/go") for _ in range(3)])

        row = row_of(shown(admin_client, LIST), FN)
        assert "3 skipped" in row
        address = row.split('action="')[1].split('"')[0]
        admin_client.post(address, {"to": "active"})

    assert RegisteredFunction.objects.get(pk=FN).paused_at is None
    assert "Resume" not in row_of(shown(admin_client, LIST), FN)


def test_while_skipped_runs_are_replayed_the_page_says_so_and_offers_no_second_replay(
    admin_client: Client,
) -> None:
    with registered(print):
        registry_rows.sync()
        pause(FN)
        send([Event(name="test/go") for _ in range(3)])
        assert "Replay skipped runs: 3" in shown(admin_client, page_of())
        replay = reverse("admin:jobs_registeredfunction_replay", args=[FN])
        admin_client.post(replay)

        under_way = shown(admin_client, page_of())
        drain()
        over = shown(admin_client, page_of())

    assert "Skipped runs are being replayed" in under_way
    assert "Replay skipped runs" not in under_way
    assert "replayed by" not in over


def test_a_hook_says_whose_it_is(admin_client: Client) -> None:
    with registered(print, on_failure=lambda ctx: None):
        registry_rows.sync()

    assert f"on_failure of {FN}" in row_of(shown(admin_client, LIST), f"{FN}-failure")


def test_a_function_that_no_cluster_has_registered_is_listed(admin_client: Client) -> None:
    rows.make_run(fn_id="gone-function")

    row = row_of(shown(admin_client, LIST), "gone-function")

    assert "not registered" in row
    assert cell(row, "Pending") == "1"


def test_a_function_that_is_not_there_is_a_message(admin_client: Client) -> None:
    for gone in ("gone", "a_00b", "sh/op"):
        answer = admin_client.get(page_of(gone), follow=True)
        assert f"with ID “{gone}” doesn’t exist" in answer.content.decode()


def test_functions_are_searched_by_a_part_of_their_id_or_name(admin_client: Client) -> None:
    rows.make_function("sing")
    rows.make_function("dance")

    page = shown(admin_client, LIST, q="SIN", span="24h")

    assert "Searched ids and names of 2 functions." in page
    assert "<bdi>sing</bdi>" in page
    assert "<bdi>dance</bdi>" not in page


@pytest.mark.parametrize("span", ["2h", "<script>"])
def test_a_span_that_is_none_is_told(admin_client: Client, span: str) -> None:
    rows.make_function()

    for address in (LIST, page_of(rows.FN)):
        page = shown(admin_client, address, span=span)
        assert "is no span; 15m, 1h, 24h, 7d are." in page
        assert 'span=1h" aria-current="true"' in page


def test_the_part_of_the_list_that_moves_comes_alone(admin_client: Client) -> None:
    rows.make_function()

    part = admin_client.get(LIST, headers={"HX-Request": "true"}).content.decode()

    assert part.lstrip().startswith('<div id="functions"')


def test_a_page_says_how_the_function_was_registered(admin_client: Client) -> None:
    options: dict[str, Any] = {
        "trigger": [TriggerEvent(event="song/ordered", if_exp="event.data.n > 3")],
        "concurrency": [Concurrency(limit=1, key="event.data.userId")],
        "retries": 3,
        "backoff": [2, 60],
        "timeouts": Timeouts(start=timedelta(hours=1), finish=90),
        "cancel_on": [Cancel(event="song/deleted")],
        "on_failure": lambda ctx: None,
    }
    with registered(print, **options):
        registry_rows.sync()

    page = shown(admin_client, page_of())
    hook = shown(admin_client, page_of(f"{FN}-failure"))

    for sentence in (
        "Starts on event “song/ordered” if event.data.n &gt; 3.",
        "Runs 1 at a time per event.data.userId.",
        "A step that fails has 3 retries, after 2 s, 1 min, 1 min; then the run fails.",
        "A run that has not started after 1 h is cancelled.",
        "A run is cancelled 1 min 30 s after its start.",
        "Event “song/deleted” cancels its unfinished runs.",
        f"When a run of it fails, {FN}-failure starts.",
    ):
        assert sentence in page
    assert f"Starts when a run of {FN} fails: it is its on_failure." in hook


def test_a_page_has_the_functions_failures_by_kind_and_its_steps(admin_client: Client) -> None:
    rows.make_function()
    slow = rows.completed_run()
    rows.failed_run(failure_kind="call-modal-api · 500 the GPU fell over")
    rows.make_run(fn_id="another", status="failed", ended_at=rows.now(), failure_kind="another · 1")

    page = shown(admin_client, page_of(rows.FN), span="24h")

    errors = page.split('id="jobs-errors"')[1].split("</section>")[0]
    assert "call-modal-api · 500 the GPU fell over" in errors
    assert "another · 1" not in errors
    steps = page.split('id="jobs-steps"')[1].split("</section>")[0]
    first = steps.split("<tr>")[2]
    assert "<bdi>call-modal-api</bdi>" in first
    assert f"/jobs/run/{slow.pk}/change/" in first
    assert cell(first, "Errors") == "1"
    assert "1 completed, 1 failed ended" in page or "1 failed ended" in page


def test_a_loops_steps_are_one_and_a_page_has_the_longest(admin_client: Client) -> None:
    rows.make_function()
    run = rows.completed_run()
    for number in range(1, 60):
        at = rows.now() - timedelta(minutes=1)
        rows.make_step(run, f"look-up:{number}", at, 0.001)
        rows.make_step(run, f"other-{number}", at, 0.001)
    rows.make_step(run, "look-up", rows.now() - timedelta(minutes=1), 0.001)

    page = shown(admin_client, page_of(rows.FN), span="24h")

    steps = page.split('id="jobs-steps"')[1].split("</section>")[0]
    assert "<bdi>look-up</bdi>" in steps
    assert "run, 60 times" in steps
    assert "look-up:" not in steps
    assert steps.count("<tr>") == 21
    assert "and 45 more steps, which take less time each" in steps


def test_a_page_has_the_next_five_ticks(admin_client: Client) -> None:
    with registered(print, trigger=TriggerCron(cron="17 * * * *")):
        registry_rows.sync()
        cron.sync()

    page = shown(admin_client, page_of())

    following = page.split("<p>Next: ")[1].split("</p>")[0]
    times = [part.split('"')[0] for part in following.split('datetime="')[1:]]
    first = CronSchedule.objects.get(fn_id=FN).next_at
    assert times == [(first + timedelta(hours=n)).isoformat() for n in range(5)]


def test_a_cron_function_is_run_now_once(admin_client: Client) -> None:
    with registered(lambda ctx: ctx.event.data["cron"], trigger=TriggerCron(cron="17 * * * *")):
        registry_rows.sync()
        form = {"cron": "17 * * * *", "form_token": str(uuid.uuid4())}
        first, second = admin_client.post(invoke_of(), form), admin_client.post(invoke_of(), form)
        drain()

    run = Run.objects.get()
    assert first.url == second.url == reverse("admin:jobs_run_change", args=[run.pk])
    assert "does nothing twice" in said(second)
    assert (run.status, run.output) == ("completed", "17 * * * *")
    assert history(FN) == [f"admin: Started by hand, as run {run.pk}."]
    assert history(run.pk) == ["admin: Started by hand."]


def test_a_line_that_is_not_the_functions_starts_nothing(admin_client: Client) -> None:
    with registered(print, trigger=TriggerCron(cron="17 * * * *")):
        registry_rows.sync()
        response = admin_client.post(invoke_of(), {"cron": "* * * * *"})

    assert said(response) == "Nothing was started. '* * * * *' is none of its cron lines."
    assert not Run.objects.exists()


def test_a_function_is_invoked_with_data_alone(admin_client: Client) -> None:
    with registered(lambda ctx: ctx.event.data["n"]), registered(print, fn_id="another"):
        registry_rows.sync()
        response = admin_client.post(invoke_of(), {"event_data": '{"n": 7}'})
        drain()

    run = Run.objects.get()
    assert response.url == reverse("admin:jobs_run_change", args=[run.pk])
    assert (run.fn_id, run.output) == (FN, 7)


def test_the_form_is_filled_with_the_data_of_the_newest_run(admin_client: Client) -> None:
    rows.make_function()
    rows.make_run(event=rows.make_event(data={"title": "a <b>waltz</b>"}))

    assert "a &lt;b&gt;waltz&lt;/b&gt;" in shown(admin_client, invoke_of(rows.FN))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ('{\n"a" 1}', "in line 2, column 5"),
        ("[1]", "The data must be a JSON object"),
        ('{"a": "\\u0000"}', "NUL"),
    ],
)
def test_a_slip_starts_nothing_and_stays_typed(
    admin_client: Client, data: str, sentence: str
) -> None:
    with registered(print):
        registry_rows.sync()
        response = admin_client.post(invoke_of(), {"event_data": data})

    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert not Run.objects.exists()


def test_what_cannot_be_started_by_hand_says_why(admin_client: Client) -> None:
    rows.make_function("jobs-bulk")
    rows.make_function("gone-function")
    with registered(print):
        registry_rows.sync()
        pause(FN)
        paused = admin_client.post(invoke_of(), {"event_data": "{}"})
    engine = admin_client.post(invoke_of("jobs-bulk"), {"event_data": "{}"})
    gone = admin_client.post(invoke_of("gone-function"), {"event_data": "{}"})

    assert "“test-function” is paused. Resume it first." in paused.content.decode()
    assert "The engine alone starts “jobs-bulk”." in engine.content.decode()
    assert "No function “gone-function” is registered" in gone.content.decode()
    assert not Run.objects.exists()
    assert admin_client.post(invoke_of("none"), {"event_data": "{}"}).status_code == 404


def test_starting_by_hand_needs_its_permission(client: Client) -> None:
    rows.make_function()
    client.force_login(cast.staff("viola", "view_registeredfunction", "view_run"))

    for answer in (
        client.get(invoke_of(rows.FN)),
        client.post(invoke_of(rows.FN), {"event_data": "{}"}),
    ):
        assert answer.status_code == 403
        assert "“Can send events and start functions by hand”" in answer.content.decode()
    assert "Invoke with" not in shown(client, page_of(rows.FN))
    client.force_login(cast.staff("sam", "view_registeredfunction", "view_run", "send_event"))
    assert "Invoke with" in shown(client, page_of(rows.FN))


def test_figures_of_runs_are_for_accounts_that_may_see_runs(client: Client) -> None:
    rows.make_function()
    rows.failed_run(failure_kind="call-modal-api · 500")
    client.force_login(cast.staff("viola", "view_registeredfunction"))

    page = shown(client, page_of(rows.FN))

    assert "you need the permission “Can view run”" in page
    assert "call-modal-api" not in page


def test_hostile_texts_stay_texts(admin_client: Client) -> None:
    rows.make_function(
        HOSTILE,
        triggers=[{"event": HOSTILE, "if": HOSTILE}],
        concurrency=[{"limit": 1, "key": HOSTILE}],
        cancel_on=[{"event": HOSTILE, "if": None}],
    )
    rows.failed_run(fn_id=HOSTILE, failure_kind=HOSTILE)

    for page in (
        shown(admin_client, LIST),
        shown(admin_client, LIST, q=HOSTILE[:40]),
        shown(admin_client, page_of(HOSTILE)),
        shown(admin_client, invoke_of(HOSTILE)),
    ):
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert" in page


def test_many_functions_and_runs_cost_as_many_queries_as_few(admin_client: Client) -> None:
    def queries(address: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            shown(admin_client, address)
        return len(captured)

    def paused(fn_id: str, triggers: Any) -> None:
        row = rows.make_function(fn_id, triggers=triggers, on_failure=f"{fn_id}-hook")
        row.paused_at = rows.now()
        row.save()
        rows.failed_run(fn_id=fn_id, failure_kind=f"kind {fn_id}")
        rows.make_run(fn_id=fn_id, status="skipped", ended_at=rows.now(), turn_keys=[])

    paused("first", [{"cron": "17 * * * *"}])
    paused("first-hook", [])
    pages = [f"{address}?span=7d" for address in (LIST, page_of("first"), page_of("first-hook"))]
    addresses = [*pages, invoke_of("first")]
    few = [queries(address) for address in addresses]
    for n in range(20):
        paused(f"function-{n}", [{"cron": "17 * * * *"}])
        rows.completed_run(fn_id="first")

    assert [queries(address) for address in addresses] == few
    assert max(few) <= 15


@pytest.mark.parametrize(
    ("backoff", "words"),
    [
        (None, "1 retry, after 15 s, and up to 30 s more; then the run fails."),
        ([2, 60], "1 retry, after 2 s; then the run fails."),
    ],
)
def test_the_delays_of_the_site_stand_in_the_sentence(
    admin_client: Client, settings: Any, backoff: Any, words: str
) -> None:
    settings.JOBS = {**settings.JOBS, "BACKOFF": backoff}
    rows.make_function(retries=1)

    assert f"A step that fails has {words}" in shown(admin_client, page_of(rows.FN))
