"""Characters that turn the direction of a text: the panel shows JSON with their escapes."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from jobs.admin.html import undirected
from tests.support import rows

pytestmark = pytest.mark.django_db
TURNING = "".join(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))


def test_each_is_shown_as_its_escape_and_other_letters_as_they_are() -> None:
    assert undirected("a\u202eb") == "a\\u202eb"
    assert not set(TURNING) & set(undirected(TURNING))
    assert undirected("سلام 🎹") == "سلام 🎹"


def test_an_event_and_an_output_show_none_of_them(admin_client: Client) -> None:
    said = f"pay {TURNING}100"
    run = rows.make_run(
        event=rows.make_event(data={"say": said, TURNING: 1}),
        status="completed",
        output={"say": said},
        ended_at=rows.now(),
    )
    step = rows.make_step(run, "draw", rows.now(), 1, output={"say": said})
    event = reverse("admin:jobs_event_change", args=[run.event_id])

    for page in (
        event,
        f"{event}?find=pay",
        reverse("admin:jobs_run_change", args=[run.pk]),
        reverse("admin:jobs_run_output", args=[run.pk, step.pk]),
    ):
        text = admin_client.get(page).content.decode()
        assert "pay \\u202a" in text, page
        assert not set(TURNING) & set(text), page
