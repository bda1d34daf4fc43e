"""What the panel refuses, it refuses in its own dress, and it names the missing permission."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from tests.support import cast, rows

pytestmark = pytest.mark.django_db
NAV = 'class="jobs-nav"'


def test_a_refused_page_names_the_permission_and_stays_in_the_panel(client: Client) -> None:
    client.force_login(cast.staff("viola", "view_cluster"))
    run = rows.make_run()

    refused = client.get(reverse("admin:jobs_run_change", args=[run.pk]))

    assert refused.status_code == 403
    page = refused.content.decode()
    assert "You need the permission “Can view run”." in page
    assert NAV in page
    assert "credits" not in page.lower()


def test_a_refused_act_names_the_permission_of_that_act(client: Client) -> None:
    client.force_login(cast.staff("viola", "view_run"))
    run = rows.failed_run()

    refused = client.post(reverse("admin:jobs_run_cancel", args=[run.pk]))

    assert refused.status_code == 403
    assert "You need the permission “Can cancel runs”." in refused.content.decode()
    run.refresh_from_db()
    assert run.status == "failed"


def test_an_address_that_leads_nowhere_is_told_in_the_panel(admin_client: Client) -> None:
    missing = admin_client.get("/admin/no/such/page/")

    assert missing.status_code == 404
    assert "There is no such page" in missing.content.decode()
    assert NAV in missing.content.decode()


def test_the_navigation_shows_only_where_the_account_may_go(client: Client) -> None:
    client.force_login(cast.staff("viola", "view_run"))

    page = client.get(reverse("admin:jobs_run_changelist")).content.decode()

    assert f'href="{reverse("admin:jobs_run_changelist")}" aria-current="page"' in page
    assert reverse("admin:jobs_event_changelist") + '"' not in page
    assert reverse("admin:songs_user_changelist") + '"' not in page
    assert reverse("admin:admin_logentry_changelist") + '"' not in page


def test_the_audit_log_is_read_and_never_changed(admin_client: Client) -> None:
    run = rows.failed_run()
    address = reverse("admin:jobs_run_rerun", args=[run.pk])
    admin_client.post(address, {"from": "nowhere"})
    admin_client.post(reverse("admin:jobs_registeredfunction_state", args=["none"]))
    rows.make_function()
    pause = reverse("admin:jobs_registeredfunction_state", args=[rows.FN])
    admin_client.post(pause, {"to": "paused", "reason": "too many failures"})
    log = reverse("admin:admin_logentry_changelist")

    page = admin_client.get(log).content.decode()
    assert "Paused; unfinished runs go on to their end." in page
    for query in ({"fn_id": rows.FN}, {"span": "hour"}, {"span": "8h"}, {"by": "1' OR 1=1"}):
        assert "Paused;" in admin_client.get(log, query).content.decode()
    for query in ({"fn_id": "another"}, {"span": "yesterday"}, {"by": "999999"}):
        assert "Paused;" not in admin_client.get(log, query).content.decode()
    assert admin_client.get(reverse("admin:admin_logentry_add")).status_code == 403


@pytest.mark.parametrize(
    "address",
    [
        "jobs/run/?status__exact=%00",
        "jobs/run/?fn_id=%00&p=%00",
        "jobs/event/?q=%00&name=%00",
        "jobs/registeredfunction/?q=%00",
        "admin/logentry/?by=%00&span=%00&fn_id=%00",
        "?span=%00",
    ],
)
def test_a_nul_in_an_address_is_no_server_error(admin_client: Client, address: str) -> None:
    assert admin_client.get(f"/admin/{address}", follow=True).status_code == 200


def test_a_nul_in_a_path_leads_nowhere(admin_client: Client) -> None:
    for path in ("jobs/registeredfunction/%00/change/", "jobs/run/%00/change/"):
        assert admin_client.get(f"/admin/{path}").status_code == 404


@pytest.mark.parametrize("permission", ["view_run", "view_cluster", "view_registeredfunction"])
def test_operations_leads_nowhere_that_the_account_may_not_go(
    client: Client, permission: str
) -> None:
    client.force_login(cast.staff("viola", permission))
    paused = rows.make_function()
    paused.paused_at = rows.now()
    paused.save()
    rows.make_cluster(seen_at=rows.now() - timedelta(hours=1))
    rows.failed_run()

    page = client.get(reverse("admin:index")).content.decode()

    links = {link for link in re.findall(r'href="(/admin/[^"#]*)"', page) if "logout" not in link}
    assert len(links) > 1
    assert {link for link in links if client.get(unescape(link)).status_code == 403} == set()


def test_what_needs_an_operator_is_told_to_an_account_that_may_not_open_its_page(
    client: Client,
) -> None:
    client.force_login(cast.staff("viola", "view_run"))
    rows.make_cluster(seen_at=rows.now() - timedelta(hours=1))
    rows.failed_run(failure_kind="call-modal-api · 500")

    page = client.get(reverse("admin:index")).content.decode()

    assert "No cluster is alive" in page
    assert "1 run failed" in page


@pytest.mark.parametrize(
    ("page", "wanted"),
    [
        ("credits", "Can view credit entry"),
        ("again", "Can have a song made again for its listener"),
        ("refund", "Can grant and take back credits"),
        ("take-down", "Can take down published songs, and put them back"),
        ("grant", "Can grant and take back credits"),
    ],
)
def test_a_page_of_the_product_names_a_permission_that_there_is(
    client: Client, page: str, wanted: str
) -> None:
    client.force_login(cast.staff("viola", "view_cluster"))
    song = cast.a_song(cast.alice())
    address = {
        "credits": reverse("admin:songs_creditbalance_changelist"),
        "again": reverse("admin:songs_song_again", args=[song.pk]),
        "refund": reverse("admin:songs_song_refund", args=[song.pk]),
        "take-down": reverse("admin:songs_publication_take_down", args=[song.pk]),
        "grant": reverse("admin:songs_user_grant_credits", args=[song.owner_id]),
    }[page]

    said = unescape(client.get(address).content.decode())

    known = Permission.objects.values_list("name", flat=True)
    named = re.findall(r"You need the permission “([^”]*)”", said)
    assert named == [name for name in known if name in named]
    assert named == [wanted]


@pytest.mark.parametrize(
    ("model", "act", "kept"),
    [
        ("jobs_run", "retry_selected", ["view_run", "cancel_run"]),
        ("jobs_run", "retry_selected", ["view_run"]),
        ("songs_song", "refund_listeners", ["view_song"]),
    ],
)
def test_an_act_whose_permission_was_lost_since_the_list_was_opened_is_refused_in_words(
    client: Client, model: str, act: str, kept: list[str]
) -> None:
    client.force_login(cast.staff("viola", *kept))
    row = rows.failed_run() if model == "jobs_run" else cast.a_song(cast.alice())
    asked = {"action": act, "index": "0", "post": "yes", "_selected_action": str(row.pk)}

    page = client.post(reverse(f"admin:{model}_changelist"), asked, follow=True)

    assert page.redirect_chain
    assert "Nothing was done. Your account may not do that" in page.content.decode()
    assert not LogEntry.objects.exists()
