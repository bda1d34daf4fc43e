"""A run's page."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from jobs.admin import timeline
from jobs.ids import new_id
from jobs.models import Run, Step
from tests.jobs.admin.panel import page_of
from tests.jobs.admin.people import staff
from tests.songs.conftest import as_
from tests.support import cast, rows
from tests.support.received_bytes import received

pytestmark = pytest.mark.django_db


def page(client: Client, run: Run) -> str:
    response = client.get(reverse("admin:jobs_run_change", args=[run.pk]))
    assert response.status_code == 200
    return response.content.decode()


def test_a_completed_run_tells_its_steps_their_outputs_and_its_log(admin_client: Client) -> None:
    rows.make_function()
    run = rows.completed_run()

    text = page(admin_client, run)

    for words in (
        *("check-credits", "set-processing", "call-modal-api", "update-song", "deduct-credits"),
        *("Synthwave", "&quot;balance&quot;: 6", "2 new categories", "800 ms", "21.3 s"),
        *(run.event.data["songId"], "&quot;charged&quot;: true", rows.WORKER),
    ):
        assert words in text


def test_a_failed_run_says_its_sentence_first_and_keeps_each_traceback(
    admin_client: Client,
) -> None:
    text = page(admin_client, rows.failed_run())

    sentence = text.index("step “call-modal-api” failed: FetchError: 500 Internal Server Error")
    assert sentence < text.index("Traceback (most recent call last)")
    assert text.count("Traceback (most recent call last)") == 6  # the run's and five attempts'
    assert "The next attempt was planned 30.0 s later." in text


def test_a_rerun_tells_the_steps_that_it_remembers_from_those_that_it_executed(
    admin_client: Client,
) -> None:
    rows.make_function()
    first = rows.failed_run(rows.now() - timedelta(hours=1))
    again = rows.make_run(rerun_of=first, status="running", started_at=rows.now())
    for step in first.steps.order_by("position")[:2]:
        step.pk, step.run = new_id(), again
        step.save(force_insert=True)
    rows.make_step(again, "call-modal-api", rows.now(), 2)

    text = page(admin_client, again)

    assert [row.count(">remembered<") for row in steps_of(text)] == [1, 1, 0]
    assert text.count(f'this run remembers it from <a href="{page_of(first)}">') == 2
    assert re.findall(r'class="jobs-name" title="([^"]+)"', text) == [
        *("queued", "check-credits, remembered", "set-processing, remembered", "call-modal-api")
    ]
    took = re.findall(r'class="jobs-took">(?:<span class="jobs-quiet">)?([^<]*)', text)
    assert took[1:] == ["remembered", "remembered", "2.0 s"]
    assert len(re.findall(r'<rect class="jobs-bar jobs-bar-done"', text)) == 1
    first.delete()
    text = page(admin_client, again)
    assert text.count("and this run remembers it.") == 2


def steps_of(text: str) -> list[str]:
    """The rows of the steps' table, one text a step."""
    return re.findall(r'<tbody id="step-\d+">(.*?)</tbody>', text, re.DOTALL)


def test_a_run_that_backs_off_says_until_when(admin_client: Client) -> None:
    rows.make_function(retries=3)

    assert "Backing off: retry 2/3 in 12 s" in page(admin_client, rows.backing_off_run())


def test_secrets_are_shown_by_name(admin_client: Client) -> None:
    text = page(admin_client, rows.completed_run())

    assert "&quot;$secret&quot;: &quot;MODAL_KEY&quot;" in text


def test_the_address_of_an_answer_is_not_shown(admin_client: Client) -> None:
    run = rows.completed_run()
    run.fetches.update(result_url="https://modal.example/capability-abc")

    assert "capability-abc" not in page(admin_client, run)


def test_what_was_sent_in_is_inert(admin_client: Client) -> None:
    bad = "<script>alert(1)</script>"
    event = rows.make_event(name=bad, data={bad: bad})
    run = rows.failed_run(event=event)
    run.error = {"name": bad, "message": bad, "stack": bad}
    run.turn_keys, run.worker, run.fn_id = [bad], bad, bad
    run.save()
    rows.make_step(run, bad, rows.now(), 1, output={bad: bad})
    rows.make_attempt(run, bad, rows.now(), 1, error=True, error_class=bad, error_message=bad)
    rows.make_line(run, rows.now(), bad, level=bad[:16], step_name=bad)
    run.fetches.update(method="<script>", url=bad, body=bad, error={"message": bad}, headers=[bad])

    assert "<script>alert" not in page(admin_client, run)


def test_the_page_keeps_the_strict_policy(admin_client: Client) -> None:
    text = page(admin_client, rows.failed_run())

    assert not re.search(r"<[^>]+\s(style|on\w+)=", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)[^>]*>(?!\s*</script>)", text)
    assert "<style" not in text


@pytest.mark.parametrize("error", ["a text", ["a list"], {"odd": 1}, {"name": None}, 5])
def test_an_error_of_an_unknown_shape_is_shown_as_it_is(admin_client: Client, error: Any) -> None:
    assert page(admin_client, rows.make_run(status="failed", ended_at=rows.now(), error=error))


def test_a_text_of_megabytes_is_cut_and_says_so(admin_client: Client) -> None:
    run = rows.completed_run()
    Step.objects.filter(run=run, name="check-credits").update(output={"lyrics": "la" * 500_000})

    text = page(admin_client, run)

    assert "The first 20,000 of 1,000," in text
    assert len(text) < 200_000


def test_of_large_outputs_the_site_reads_no_more_than_the_page_shows(admin_client: Client) -> None:
    run = rows.make_run(status="running", started_at=rows.now())
    for n in range(3):
        lines = [f"verse {n}-{line}" for line in range(60_000)]
        rows.make_step(run, f"large-{n}", rows.now(), 1, output=lines, output_bytes=1_000_001)
    rows.make_step(run, "small", rows.now(), 1, output={"a": 1}, output_bytes=8)

    with received() as seen:
        text = page(admin_client, run)

    assert text.count("The first 20,000 characters of 1,000,001 bytes of JSON.") == 3
    assert text.count("Show all of it") == 3
    assert all(f"    &quot;verse {n}-100&quot;,\n" in text for n in range(3))
    assert "{\n  &quot;a&quot;: 1\n}" in text
    assert seen.bytes < 3 * 21_000 + 20_000


def test_the_database_reads_no_more_than_a_few_megabytes_of_outputs(admin_client: Client) -> None:
    run = rows.make_run(status="running", started_at=rows.now())
    for n in range(6):
        output = "x" * 1_000_000
        rows.make_step(run, f"large-{n}", rows.now(), 1, output=output, output_bytes=1_000_002)

    text = page(admin_client, run)

    assert text.count("The first 20,000 characters") == 4
    assert text.count("<p>1,000,002 bytes of JSON.</p>") == 2
    assert text.count("Show all of it") == 6


def test_a_whole_output_is_read_when_it_is_asked_for(admin_client: Client, settings: Any) -> None:
    settings.MODAL_KEY = secret = "wk-canary-0123456789"
    run = rows.make_run(status="running", started_at=rows.now())
    lines = [secret, "<script>", *(f"verse {n}" for n in range(60_000))]
    step = rows.make_step(run, "large", rows.now(), 1, output=lines, output_bytes=900_000)

    answer = admin_client.get(reverse("admin:jobs_run_output", args=[run.pk, step.pk]))

    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["X-Content-Type-Options"] == "nosniff"
    shown = json.loads(answer.content)
    assert shown[1:] == lines[1:]
    assert secret not in shown[0]


def test_a_whole_output_is_for_accounts_that_may_see_payloads() -> None:
    run = rows.completed_run()
    step = run.steps.first()
    address = reverse("admin:jobs_run_output", args=[run.pk, step.pk])
    for rights, status in ((["view_run"], 403), (["view_payload"], 403), ([], 403)):
        client = as_(cast.staff(f"vera-{len(rights)}{rights}"[:30], *rights))
        assert client.get(address).status_code == status, rights
    viola = as_(cast.staff("viola", "view_run", "view_payload"))
    assert viola.get(address).status_code == 200
    of_another = reverse("admin:jobs_run_output", args=[rows.make_run().pk, step.pk])
    assert viola.get(of_another).status_code == 404


def test_no_half_of_a_secret_is_left_where_an_output_is_cut(
    admin_client: Client, settings: Any
) -> None:
    settings.MODAL_KEY = secret = "wk-canary-0123456789"
    for offset in range(0, 24, 3):
        run = rows.make_run(status="running", started_at=rows.now())
        verse = "x" * (20_000 - offset) + secret * 5_000
        rows.make_step(run, "large", rows.now(), 1, output=verse, output_bytes=len(verse) + 2)

        text = page(admin_client, run)

        assert "The first 20,000 characters" in text
        assert "wk-c" not in text
        assert "56789" not in text


def test_rerun_and_origin_point_at_each_other(admin_client: Client) -> None:
    first = rows.failed_run()
    again = rows.make_run(rerun_of=first)

    assert f"/{again.pk}/change/" in page(admin_client, first)
    assert f"/{first.pk}/change/" in page(admin_client, again)


def test_an_unknown_run_is_a_message(admin_client: Client) -> None:
    for identifier in (rows.id_at(rows.now()), "nonsense"):
        response = admin_client.get(
            reverse("admin:jobs_run_change", args=[identifier]), follow=True
        )
        assert response.status_code == 200
        assert "exist" in response.content.decode()


def test_rows_are_read_and_never_written(admin_client: Client) -> None:
    run = rows.completed_run()

    change = reverse("admin:jobs_run_change", args=[run.pk])
    assert admin_client.post(change, {"status": "failed"}).status_code == 403
    assert admin_client.get(reverse("admin:jobs_run_delete", args=[run.pk])).status_code == 403
    assert admin_client.get(reverse("admin:jobs_run_add")).status_code == 403


def test_an_account_that_may_only_view_sees_no_button(admin_client: Client) -> None:
    failed, waiting = rows.failed_run(), rows.backing_off_run()
    viewer = staff()

    assert "Retry from the failed step" in page(admin_client, failed)
    assert "Rerun from the start" in page(admin_client, failed)
    assert "jobs_run_cancel" not in page(viewer, waiting)
    for run in (failed, waiting):
        assert "jobs-buttons" not in page(viewer, run)


def test_buttons_fit_the_runs_state(admin_client: Client) -> None:
    completed, waiting = (
        page(admin_client, rows.completed_run()),
        page(admin_client, rows.backing_off_run()),
    )

    assert "Retry from the failed step" not in completed
    assert "Rerun from the start" in completed
    assert "Rerun from the start" not in waiting
    assert ">Cancel</button>" in waiting


def about(data: dict[str, Any]) -> list[tuple[str, str]]:
    return [("The song <x>", f"/songs/{data['songId']}/")]


def test_the_project_may_link_a_run_to_what_it_is_about(
    admin_client: Client, settings: Any
) -> None:
    settings.JOBS = settings.JOBS | {"RUN_LINKS": "tests.jobs.admin.test_run_page.about"}
    run = rows.completed_run()

    text = page(admin_client, run)
    assert f'<a href="/songs/{run.event.data["songId"]}/"><bdi>The song &lt;x&gt;</bdi></a>' in text


def test_a_mistake_in_the_projects_links_costs_only_the_links(
    admin_client: Client, settings: Any
) -> None:
    settings.JOBS = settings.JOBS | {"RUN_LINKS": "tests.jobs.admin.test_run_page.about"}
    event = rows.make_event(data={"nothing": "known"})

    assert page(admin_client, rows.completed_run(event=event))


def test_a_long_run_costs_as_many_queries_as_a_short_one(
    admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    start = rows.now() - timedelta(minutes=1)
    run = rows.make_run(start, status="running", started_at=start)
    for number in range(30):
        rows.make_step(run, f"step-{number}", start + timedelta(seconds=number), 1)

    with django_assert_max_num_queries(16):
        page(admin_client, run)


def test_the_policy_is_sent_with_the_page(admin_client: Client) -> None:
    response = admin_client.get(reverse("admin:jobs_run_changelist"))

    assert "'unsafe-inline'" not in response.headers["Content-Security-Policy"]
    assert settings.CONTENT_SECURITY_POLICY["default-src"] == ["'self'"]


def long_run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Five steps and five log lines, of which a page shows two each."""
    monkeypatch.setattr(timeline, "MAX_STEPS", 2)
    monkeypatch.setattr(timeline, "MAX_LOG_LINES", 2)
    run = rows.completed_run()
    for number in range(5):
        rows.make_line(run, rows.now(), f"said {number}")
    return run


def test_a_long_run_shows_its_latest_steps_and_lines_and_leads_to_the_earlier_ones(
    monkeypatch: pytest.MonkeyPatch, admin_client: Client
) -> None:
    run = long_run(monkeypatch)
    address = reverse("admin:jobs_run_change", args=[run.pk])

    latest = page(admin_client, run)
    assert 'id="step-5"' in latest
    assert 'id="step-1"' not in latest  # a step keeps its own
    assert "4–5 of 5 steps" in latest
    assert "said 4" in latest
    assert "said 2" not in latest

    links = re.findall(r'href="(\?(?:steps|lines)=\d+)#', latest)
    assert links == ["?steps=3", f"?lines={run.log_lines.count() - 2}"]
    steps_before, lines_before = (
        admin_client.get(address + link).content.decode() for link in links
    )
    assert "2–3 of 5 steps" in steps_before
    assert "said 4" in steps_before  # the log's window is its own
    assert "said 2" in lines_before
    assert "4–5 of 5 steps" in lines_before
    assert steps_before.count("Rerun from here") == 2  # neither is the run's first


def test_the_part_that_moves_keeps_the_window_that_is_shown(
    monkeypatch: pytest.MonkeyPatch, admin_client: Client
) -> None:
    monkeypatch.setattr(timeline, "MAX_STEPS", 1)
    run = rows.backing_off_run()
    address = reverse("admin:jobs_run_change", args=[run.pk]) + "?steps=1"

    part = admin_client.get(address, headers={"HX-Request": "true"}).content.decode()

    assert f'hx-get="{address}"' in part
    assert "1–1 of 3 steps" in part


@pytest.mark.parametrize("asked", ["x", "-1", "1.5", "9" * 40, "x\x00", "²", "<script>"])
def test_a_window_that_is_none_is_told_beside_its_rows_and_the_latest_are_shown(
    monkeypatch: pytest.MonkeyPatch, admin_client: Client, asked: str
) -> None:
    run = long_run(monkeypatch)

    answer = admin_client.get(
        reverse("admin:jobs_run_change", args=[run.pk]), {"steps": asked, "lines": asked}
    )

    text = answer.content.decode()
    assert answer.status_code == 200
    assert "is no number of one of the steps: the latest are shown." in text
    assert "is no number of one of the lines: the latest are shown." in text
    assert "4–5 of 5 steps" in text
    assert "<script>&#x27;" not in text
