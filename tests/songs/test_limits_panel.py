"""Operators see and change limits, and see which listeners and networks were refused."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from playwright.sync_api import Browser

from songs.limits import counts
from songs.limits.counts import Asked
from songs.limits.rules import RULES
from songs.models import Limit, LimitCount, User
from tests.songs.conftest import as_
from tests.support import browser as chromium
from tests.support import cast

pytestmark = pytest.mark.django_db
LIMITS = reverse("admin:songs_limit_changelist")
REFUSALS = reverse("admin:songs_limitcount_changelist")
OPERATIONS = reverse("admin:index")


def page_of(limit: Limit) -> str:
    return reverse("admin:songs_limit_change", args=[limit.pk])


@pytest.fixture
def limit() -> Limit:
    return Limit.objects.get_or_create(name="orders-account")[0]


@pytest.fixture
def refused(alice: User) -> None:
    for _ in range(3):
        counts.note([Asked(RULES["orders-account"], str(alice.pk))])
    counts.note([Asked(RULES["sign-ups-network"], "2001:db8:1:2::/64")])
    counts.note([Asked(RULES["orders-all"], "*")])
    counts.note([Asked(RULES["orders-account"], "999999")])  # an account that is gone
    counts.take([Asked(RULES["orders-account"], "7")])  # not refused


def shown(client: Client, address: str, **query: str) -> str:
    answer = client.get(address, query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_every_limit_is_listed_with_its_number_and_its_refusals(
    olgas: Client, limit: Limit, refused: None
) -> None:
    Limit.objects.filter(pk=limit.pk).update(most=7)
    page = shown(olgas, LIMITS)
    assert all(str(rule) in page for rule in RULES.values())
    assert '<td class="field-at_most">7</td>' in page
    assert '<td class="field-default">30</td>' in page
    assert f'{REFUSALS}?rule=orders-account">4<' in page


def test_a_change_is_a_line_of_the_audit_log(olgas: Client, limit: Limit) -> None:
    for most in ("7", "0", ""):
        assert olgas.post(page_of(limit), {"most": most}).status_code == 302
    said = [entry.get_change_message() for entry in LogEntry.objects.order_by("id")]
    assert said == [
        "Orders of one account, an hour: the default (30) → 7.",
        "Orders of one account, an hour: 7 → 0.",
        "Orders of one account, an hour: 0 → the default (30).",
    ]


@pytest.mark.parametrize("given", ["-1", "many", "1.5", "9" * 30, "<b>"])
def test_what_is_no_number_is_refused_beside_the_field(
    olgas: Client, limit: Limit, given: str
) -> None:
    answer = olgas.post(page_of(limit), {"most": given})
    assert answer.status_code == 200
    assert answer.context["adminform"].form.errors["most"]
    limit.refresh_from_db()
    assert limit.most is None


def test_refusals_name_their_listener_or_network(olgas: Client, alice: User, refused: None) -> None:
    page = shown(olgas, REFUSALS)
    assert f'href="{reverse("admin:songs_user_change", args=[alice.pk])}"><bdi>alice</bdi>' in page
    for words in ("2001:db8:1:2::/64", "the whole site", "999999"):
        assert words in page
    assert LimitCount.objects.count() == 5
    assert "4 refusals by limits" in page


def test_a_refusal_shows_the_limit_that_refused(olgas: Client, alice: User, settings: Any) -> None:
    """The limit was raised since, and there are more orders by now."""
    settings.LIMITS = {**settings.LIMITS, "orders-account": 3}
    asked = [Asked(RULES["orders-account"], str(alice.pk))]
    for _ in range(3):
        counts.take(asked)
    counts.note(asked)
    settings.LIMITS = {**settings.LIMITS, "orders-account": 30}
    counts.take(asked)
    assert '<td class="field-counted">3 of 3</td>' in shown(olgas, REFUSALS)
    counts.note([Asked(RULES["making-account"], str(alice.pk))], 10)
    assert '<td class="field-counted">10 of 10</td>' in shown(olgas, REFUSALS)
    Limit.objects.filter(name="orders-all").update(most=0)
    counts.note([Asked(RULES["orders-all"], "*")])
    assert '<td class="field-counted">paused</td>' in shown(olgas, REFUSALS)


def test_refusals_are_filtered_by_limit_and_time(olgas: Client, refused: None) -> None:
    assert "1 refusal by a limit" in shown(olgas, REFUSALS, rule="orders-all")
    assert "4 refusals by limits" in shown(olgas, REFUSALS, since="hour")
    assert "4 refusals by limits" in shown(olgas, REFUSALS, rule="nonsense", since="never")


def test_a_long_list_costs_no_more_statements(olgas: Client, refused: None) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as asked:
            shown(olgas, REFUSALS)
        return len(asked)

    few = statements()
    for number in range(20):
        user = cast.listener(f"listener-{number}", credits_=0)
        counts.note([Asked(RULES["orders-account"], str(user.pk))])
    assert statements() == few


def test_operations_has_a_card_for_those_who_may_see_refusals(
    olgas: Client, refused: None, db: None
) -> None:
    page = shown(olgas, OPERATIONS, part="more")
    card = page.partition('id="limits-card"')[2].partition("</section>")[0]
    for words in ("4 refused", "alice", "2001:db8:1:2::/64", "the whole site", REFUSALS):
        assert words in card
    viewer = as_(cast.staff("viewer", "view_run"))
    assert 'id="limits-card"' not in shown(viewer, OPERATIONS, part="more")


def test_without_refusals_the_card_says_so(olgas: Client) -> None:
    page = shown(olgas, OPERATIONS, part="more")
    assert "No listener and no network was refused by a limit." in page


# --- in a browser ---


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(not chromium.CHROMIUM, reason="NO BROWSER TESTED: Chromium is not installed")
def test_every_page_is_whole(
    browser: Browser,
    live_server: Any,
    olgas: Client,
    limit: Limit,
    refused: None,
    settings: Any,
) -> None:
    name = settings.SESSION_COOKIE_NAME
    cookie = {"name": name, "value": olgas.cookies[name].value}
    problems: dict[str, list[str]] = {}
    refusal = reverse("admin:songs_limitcount_change", args=[LimitCount.objects.first().pk])
    with chromium.opened(browser, live_server.url, cookie) as looked:
        for number, address in enumerate([LIMITS, page_of(limit), REFUSALS, refusal, OPERATIONS]):
            answer = looked.page.goto(address)
            assert answer
            assert answer.ok, address
            if found := looked.problems(f"limits-{number}"):
                problems[address] = found
    assert not problems


def test_a_stale_form_does_not_undo_what_another_operator_has_set(
    olgas: Client, limit: Limit
) -> None:
    """The form was opened with no number; another operator has set 0 since, to refuse all."""
    Limit.objects.filter(pk=limit.pk).update(most=0)
    answer = olgas.post(page_of(limit), {"most": "11", "seen": ""})
    assert answer.status_code == 200
    page = answer.content.decode()
    assert "Another operator has changed this limit since the form was opened: it is 0 now." in page
    limit.refresh_from_db()
    assert limit.most == 0
    assert '<input type="hidden" name="seen" value="0"' in page
    assert '<input type="number" name="most" value="11"' in page  # what was typed stays
    assert olgas.post(page_of(limit), {"most": "11", "seen": "0"}).status_code == 302
    limit.refresh_from_db()
    assert limit.most == 11


def test_a_stale_form_that_asks_for_what_holds_already_is_no_conflict(
    olgas: Client, limit: Limit
) -> None:
    Limit.objects.filter(pk=limit.pk).update(most=7)
    assert olgas.post(page_of(limit), {"most": "7", "seen": ""}).status_code == 302


def test_two_operators_at_once_do_not_both_change_a_limit(
    olgas: Client, limit: Limit, olga: User
) -> None:
    """The second reads the row only after the first has committed."""
    with CaptureQueriesContext(connection) as asked:
        olgas.post(page_of(limit), {"most": "7", "seen": ""})
    locks = [query["sql"] for query in asked if '"songs_limit"' in query["sql"]]
    assert any(sql.endswith("FOR UPDATE") for sql in locks)


def test_an_account_that_may_only_look_reads_the_number_that_holds(limit: Limit) -> None:
    viewer = as_(cast.staff("viewer", "view_limit"))
    page = shown(viewer, page_of(limit))
    assert "At most:" in page
    assert "Most:" not in page
    assert '<div class="readonly">30</div>' in page.partition("At most:")[2].partition("Default")[0]
