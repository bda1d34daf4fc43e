"""The page of a kind of failures offers what the project can do for all of them."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin import kind_acts
from tests.support import rows

pytestmark = pytest.mark.django_db
KIND = "call-modal-api · 500 the GPU fell over"
PAGE = "/admin/jobs/run/"


def counting(request: Any, events: list[Any]) -> SafeString:
    return format_html("<p>{} of {}</p>", len(events), events[0]["userId"] if events else "")


def broken(request: Any, events: list[Any]) -> SafeString:
    raise ValueError("not today")


def unsafe(request: Any, events: list[Any]) -> str:
    return "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def of_this_file(settings: Any) -> None:
    paths = [f"{__name__}.{name}" for name in ("broken", "counting", "unsafe")]
    settings.JOBS = {**settings.JOBS, "KIND_ACTS": paths}


def shown(client: Client, **query: str) -> str:
    return client.get(PAGE, {"status__exact": "failed", "kind": KIND, **query}).content.decode()


def test_an_act_is_offered_for_the_open_failures_of_the_kind(admin_client: Client) -> None:
    for _ in range(2):
        rows.failed_run(failure_kind=KIND)
    rows.failed_run(failure_kind="another")
    rows.failed_run(failure_kind=KIND, mended_at=rows.now())

    assert "<p>2 of 42</p>" in shown(admin_client, open="1")
    assert "<p>2 of" not in shown(admin_client)


def test_a_broken_act_costs_only_itself_and_text_stays_text(admin_client: Client) -> None:
    rows.failed_run(failure_kind=KIND)

    page = shown(admin_client, open="1")

    assert "This act could not be offered" in page
    assert "not today" not in page
    assert "<script>alert" not in page


def test_no_more_events_are_read_than_a_form_takes(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kind_acts, "MAX_FAILURES", 2)
    for _ in range(3):
        rows.failed_run(failure_kind=KIND)

    assert "<p>2 of 42</p>" in shown(admin_client, open="1")
