"""Times stand in the zone that the browser names."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.test import Client, RequestFactory
from django.utils import timezone

from melodymaker.zones import COOKIE, local_zone
from tests.support import cast, rows

pytestmark = pytest.mark.django_db
MOMENT = datetime(2026, 11, 28, 1, 12, 5, tzinfo=UTC)


def told(zone: str | None) -> str:
    """What a view would tell of the moment."""
    request = RequestFactory().get("/")
    if zone is not None:
        request.COOKIES[COOKIE] = zone
    view = local_zone(lambda _: f"{timezone.localtime(MOMENT):%H:%M %Z}")  # type: ignore[arg-type,return-value]
    return str(view(request))


@pytest.mark.parametrize(
    ("zone", "time"),
    [("Europe/Berlin", "02:12 CET"), ("America/St_Johns", "21:42 NST"), ("UTC", "01:12 UTC")],
)
def test_a_time_stands_in_the_browsers_zone(zone: str, time: str) -> None:
    assert told(zone) == time


@pytest.mark.parametrize("zone", [None, "", "Mars/Olympus", "../../etc/passwd", "\0", "x" * 5000])
def test_without_a_known_zone_it_stands_in_that_of_the_settings(zone: str | None) -> None:
    assert told(zone) == "01:12 UTC"


def test_the_panel_tells_times_in_the_operators_zone(client: Client) -> None:
    client.force_login(cast.olga())
    run = rows.completed_run(rows.now())
    client.cookies[COOKIE] = "Asia/Kathmandu"

    page = client.get(f"/admin/jobs/run/{run.pk}/change/").content.decode()

    assert "+0545" in page
    assert timezone.get_current_timezone_name() == "UTC"
