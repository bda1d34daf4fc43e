"""Events in the panel: by name with what became of their runs, found, filtered, and read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from jobs.api import Event, send
from jobs.metrics import event_names
from jobs.metrics.spans import SPANS
from jobs.models import Event as EventRow
from tests.jobs.admin.panel import shown
from tests.support import cast, rows
from tests.support.functions import registered

pytestmark = pytest.mark.django_db
LIST = reverse("admin:jobs_event_changelist")
SEND = reverse("admin:jobs_event_send")
HOSTILE = "<script>alert(1)</script>‮" + "سلام 🎹 " + "w" * 100


def page_of(event: Any) -> str:
    return reverse("admin:jobs_event_change", args=[event.pk])


def listed(page: str) -> int:
    return page.count('<tr id="event-')


def three_outcomes() -> list[EventRow]:
    """An event with a completed run, one with a failed run, one that is pending."""
    made = rows.completed_run(), rows.failed_run(), rows.make_run()
    return [run.event for run in made]


def test_a_name_says_what_became_of_its_events(admin_client: Client) -> None:
    three_outcomes()
    rows.make_run()
    rows.make_event("nothing/starts")

    page = shown(admin_client, LIST)

    names = page.split('class="jobs-names"')[1].split("</ul>")[0]
    assert all(part in names for part in ("(2 pending)", "(1 completed)", "(1 failed)"))
    assert names.index(rows.FN) < names.index("nothing/starts")
    assert "jobs-spark" in names


def test_only_the_newest_events_are_counted_and_the_page_says_so(
    admin_client: Client, monkeypatch: Any
) -> None:
    monkeypatch.setattr(event_names, "MAX_COUNT", 3)
    monkeypatch.setattr("jobs.admin.event_list.MAX_COUNT", 3)
    for _ in range(4):
        rows.make_run()

    page = shown(admin_client, LIST)

    assert "(3 pending)" in page
    assert "the numbers are of the newest 3 events of this time" in page


def test_the_span_holds_for_the_names_and_for_the_list(admin_client: Client) -> None:
    rows.make_event("old/one", at=rows.now() - timedelta(hours=3))
    rows.make_event("young/one")

    hour, day, ever = (shown(admin_client, LIST, span=span) for span in ("1h", "24h", ""))

    assert [listed(page) for page in (hour, day, ever)] == [1, 2, 2]
    assert 'href="?span=24h" aria-current="true"' in day
    assert "0<span" in hour.split("old/one")[1].split("</li>")[0]


@pytest.mark.parametrize(
    ("state", "place"), [("completed", 0), ("failed", 1), ("pending", 2)], ids=str
)
def test_events_are_filtered_by_what_became_of_their_runs(
    admin_client: Client, state: str, place: int
) -> None:
    wanted = three_outcomes()[place]
    rows.make_run(event=rows.make_event("another"))

    page = shown(admin_client, LIST, runs=state, name=rows.FN)

    assert listed(page) == 1
    assert page_of(wanted) in page
    assert "Looked through the newest 100 " in page


def test_a_search_says_what_it_has_searched(admin_client: Client) -> None:
    known = rows.make_event("song/ordered", dedupe_id="order-17")
    rows.make_event("song/ordered")
    rows.make_event("listener/came")

    by_id = shown(admin_client, LIST, q="order-17")
    by_name = shown(admin_client, LIST, q="ORDERED")
    by_none = shown(admin_client, LIST, q="waltz")

    assert (listed(by_id), page_of(known) in by_id) == (1, True)
    assert "Found by its id or its sender&#x27;s id, “order-17”." in by_id
    assert listed(by_name) == 2
    assert "These are events whose name contains it: “song/ordered”." in by_name
    assert listed(by_none) == 0
    assert "Nor does one of 2 names contain it. Data are not searched." in by_none


def test_the_list_goes_on_page_by_page(admin_client: Client) -> None:
    for _ in range(53):
        rows.make_event()

    first = shown(admin_client, LIST, name=rows.FN)
    older = first.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0]
    second = shown(admin_client, LIST + older.replace("&amp;", "&"))

    assert (listed(first), listed(second)) == (50, 3)
    assert 'rel="next"' not in second


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"span": "2h"}, "is no span; 15m, 1h, 24h, 7d are. Events of any time are listed."),
        ({"name": "w" * 5_000}, "is not an event&#x27;s name"),
        ({"q": "w" * 5_000}, "is not something to search for"),
        (
            {"runs": "asleep"},
            "Runs cannot be &#x27;asleep&#x27;; pending, completed, failed are allowed.",
        ),
        ({"before": "yesterday"}, "is no event&#x27;s id."),
        ({"no": "such parameter"}, ""),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_cannot_be_asked_for_is_a_sentence(
    admin_client: Client, query: dict[str, str], sentence: str
) -> None:
    rows.make_event()

    page = shown(admin_client, LIST, **query)

    assert sentence in page
    assert listed(page) == 1


@pytest.mark.parametrize("query", [{"span": "\x00"}, {"name": "a\x00b"}, {"q": "a\x00b"}], ids=str)
def test_an_address_is_read_without_its_nul_characters(
    admin_client: Client, query: dict[str, str]
) -> None:
    rows.make_event("ab")

    assert listed(shown(admin_client, LIST, **query)) == 1


def test_the_parts_that_move_come_alone(admin_client: Client) -> None:
    run = rows.make_run()
    moving = {"HX-Request": "true"}

    names = admin_client.get(LIST, headers=moving).content.decode()
    runs = admin_client.get(page_of(run.event), headers=moving).content.decode()

    assert names.lstrip().startswith('<div id="events"')
    assert runs.lstrip().startswith('<section id="event-runs"')


def test_an_events_runs_move_while_one_is_unfinished(admin_client: Client) -> None:
    run, over = rows.make_run(), rows.completed_run()

    assert 'hx-trigger="every 2s' in shown(admin_client, page_of(run.event))
    assert 'hx-trigger="every 2s' not in shown(admin_client, page_of(over.event))


def test_an_event_that_is_not_there_is_a_message(admin_client: Client) -> None:
    for gone in ("01a21ff2-0000-7000-8000-000000000000", "no-id", "a_00b"):
        answer = admin_client.get(reverse("admin:jobs_event_change", args=[gone]), follow=True)
        assert "doesn’t exist" in answer.content.decode()


def test_data_fold_and_are_searched(admin_client: Client) -> None:
    data = {"order": {"deep": {"listener": "Wilma"}}, "cats": ["Wilma", "Fred"], "n": 3}
    event = rows.make_event(data=data)

    plain, found = (
        shown(admin_client, page_of(event)),
        shown(admin_client, page_of(event), find="wilma"),
    )

    tree = found.split('class="jobs-json"')[1].split("jobs-as-text")[0]
    assert "2 places with “<bdi>wilma</bdi>”" in found
    assert tree.count("<mark>") == 2
    assert "<details><summary>" in plain.split('class="jobs-json"')[1].split("jobs-as-text")[0]
    assert "<details><summary>" not in tree  # what holds it is open
    assert "0 places" in shown(admin_client, page_of(event), find="nobody")


def test_an_event_can_be_copied_as_python_and_as_curl(admin_client: Client) -> None:
    event = rows.make_event("song/ordered", data={"title": "cat's waltz", "n": None})

    page = shown(admin_client, page_of(event))

    assert "data={&#x27;n&#x27;: None, &#x27;title&#x27;: &quot;cat&#x27;s waltz&quot;}," in page
    assert "curl http://testserver/admin/jobs/event/send/" in page
    assert "sessionid=$SESSION" in page


def test_hostile_texts_stay_texts(admin_client: Client) -> None:
    event = rows.make_event(HOSTILE, data={HOSTILE: HOSTILE}, dedupe_id=HOSTILE)

    for page in (
        shown(admin_client, LIST),
        shown(admin_client, LIST, name=HOSTILE),
        shown(admin_client, LIST, q=HOSTILE[:40]),
        shown(admin_client, page_of(event), find="<script>"),
        shown(admin_client, reverse("admin:jobs_event_send"), name=HOSTILE),
    ):
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert" in page


def test_a_viewer_sees_runs_only_with_the_permission(client: Client) -> None:
    run = rows.failed_run()
    client.force_login(cast.staff("viola", "view_event"))

    for page in (shown(client, LIST), shown(client, page_of(run.event))):
        assert "failed" in page
        assert f"/jobs/run/{run.pk}/" not in page
        assert "/send/" not in page


def test_data_are_for_accounts_that_may_see_payloads(client: Client) -> None:
    event = rows.make_event(
        data={"title": "a waltz for Wilma"}, repeat={"count": 1, "data": "Wilma"}
    )
    rows.make_function()
    rows.make_run(event=event)
    may = ("view_event", "view_run", "view_registeredfunction", "send_event")
    client.force_login(cast.staff("viola", *may))
    invoke = reverse("admin:jobs_registeredfunction_invoke", args=[rows.FN])

    page = shown(client, page_of(event))

    assert "you need the permission “Can see payloads”" in page
    for address in (page_of(event), f"{SEND}?like={event.pk}", f"{SEND}?name={rows.FN}", invoke):
        assert "Wilma" not in shown(client, address)


def queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        shown(client, address)
    return len(captured)


def test_many_events_and_runs_cost_as_many_queries_as_few(admin_client: Client) -> None:
    rows.make_function()
    event = rows.make_run().event
    addresses = [LIST, f"{LIST}?q=song", page_of(event), reverse("admin:jobs_event_send")]
    few = [queries(admin_client, address) for address in addresses]
    for n in range(60):
        rows.make_run(event=event)
        rows.make_run(event=rows.make_event(f"song/{n}"))
        rows.make_function(f"function-{n}")

    assert [queries(admin_client, address) for address in addresses] == few
    assert max(few) <= 15


def test_reruns_are_counted_with_their_event() -> None:
    with registered(print):
        send(Event(name="test/go"))
    event = EventRow.objects.get()
    rows.make_run(event=event, status="completed", ended_at=rows.now(), turn_keys=[])

    (one,) = event_names.event_names(SPANS["1h"]).names

    assert (one.name, one.events, one.pending, one.completed) == ("test/go", 1, 1, 1)
