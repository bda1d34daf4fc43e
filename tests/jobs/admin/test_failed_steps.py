"""A failed run's steps, as the list and its page count and draw them: steps_done counts the failed
one, too."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from jobs.models import Run
from tests.support import rows

pytestmark = pytest.mark.django_db


def failed_run(done: int, **error: Any) -> Run:
    moment = rows.now()
    told = rows.ERROR | error
    return rows.make_run(
        status="failed", steps_done=done, started_at=moment, ended_at=moment, error=told
    )


def drawn(client: Client) -> tuple[str, list[str]]:
    page = client.get(reverse("admin:jobs_run_changelist")).content.decode()
    words = re.search(r"[^>]*steps? done(?=<)", page)
    assert words
    return words[0], re.findall(r"jobs-part-(\w+)", page)


def done_on_its_page(client: Client, run: Run) -> str:
    page = client.get(reverse("admin:jobs_run_change", args=[run.pk])).content.decode()
    found = re.search(r"<dt>Steps done</dt><dd>(.*?)</dd>", page)
    assert found
    return found[1]


def test_the_step_that_failed_is_red_and_not_done(admin_client: Client) -> None:
    rows.make_function()
    rows.completed_run()
    run = failed_run(3, step="call-modal-api")

    words, parts = drawn(admin_client)

    assert words == "2 of 5 steps done"
    assert parts[:5] == ["completed", "completed", "failed", "open", "open"]
    assert done_on_its_page(admin_client, run) == "2/5"


def test_a_run_whose_only_step_failed_has_done_none(admin_client: Client) -> None:
    run = failed_run(1, step="draw")

    assert drawn(admin_client) == ("0 steps done", ["failed"])
    assert done_on_its_page(admin_client, run) == "0"


def test_each_branch_that_failed_is_red(admin_client: Client) -> None:
    run = failed_run(3, step="a", steps=["a", "b"])

    assert drawn(admin_client) == ("1 step done", ["completed", "failed", "failed"])
    assert done_on_its_page(admin_client, run) == "1"


def test_code_that_failed_behind_its_steps_leaves_them_done(admin_client: Client) -> None:
    run = failed_run(2)

    assert drawn(admin_client) == ("2 steps done", ["completed", "completed", "failed"])
    assert done_on_its_page(admin_client, run) == "2"


def test_a_run_of_many_steps_is_red_where_it_failed(admin_client: Client) -> None:
    failed_run(20, step="last")

    assert drawn(admin_client) == ("19 steps done", ["open", "completed", "failed"])
