"""Each list and page of each model in the panel, in Chromium, at both widths, light and dark:
nothing sticks out, the console stays silent, and axe finds nothing. Django's own pages count."""

from __future__ import annotations

import pytest
from django.conf import settings as project
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Browser, expect

from songs import ledger_check
from songs.limits import counts
from songs.limits.counts import Asked
from songs.limits.rules import RULES
from songs.models import Category, Limit, Report, SongStatus, User
from songs.sharing import publishing
from tests.support import browser as chromium
from tests.support import cast, rows

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        not chromium.CHROMIUM, reason="NO BROWSER TESTED: Chromium is not installed"
    ),
]
# Of Django's own scripts: the boxes of permissions, and a form that focuses its first field.
BY_DJANGO = 'aria-prohibited-attr: <span class="help-tooltip'
FOCUSED = "Autofocus processing was blocked"
# Cells of cards that do not say what they are, but for a box to tick, a picture and buttons.
UNNAMED = """
() => [...document.querySelectorAll("#result_list tbody tr:first-child > *")]
  .filter((cell) => !cell.matches(".action-checkbox, .field-cover, .field-acts"))
  .filter((cell) => ["none", "normal", '""'].includes(getComputedStyle(cell, "::before").content))
  .map((cell) => cell.className)
"""

LINES = """
() => {
  const line = (part) => getComputedStyle(part).borderBottomWidth;
  const frame = document.querySelector("fieldset.module.aligned");
  return { frame: line(frame), rows: [...frame.querySelectorAll(".form-row")].map(line) };
}
"""


@pytest.fixture
def olga(client: Client) -> User:
    account = cast.olga()
    client.force_login(account)
    return account


@pytest.fixture
def pages(client: Client, olga: User) -> list[str]:
    """With a row of everything: lists, forms to add, pages, histories, and questions before a
    deletion."""
    alice = cast.alice()
    song = cast.a_song(alice, thumbnail_s3_key="")
    song.categories.set([Category.objects.get_or_create(name="waltz")[0]])
    for status in SongStatus.values:
        cast.a_song(alice, f"one that is {status}", status=status, thumbnail_s3_key="")
    Report.objects.create(
        publication=publishing.publish(song, title="Elegy", byline="A"),
        hearer="x",
        kind="copy",
        words="the Danube",
    )
    Limit.objects.get_or_create(name="orders-account")
    counts.note([Asked(RULES["orders-account"], str(alice.pk))])
    Group.objects.get_or_create(name="Operators")
    rows.make_function()
    rows.make_cluster()
    rows.failed_run()
    found = []
    reverse("admin:index")  # the admin's modules come with the URLs
    for model, shown in admin.site._registry.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        found += [reverse(f"{name}_changelist"), reverse(f"{name}_add")]
        one = shown.get_queryset(client.get("/admin/").wsgi_request).first()
        if one is not None:
            views = ("change", "history", "delete")
            found += [reverse(f"{name}_{view}", args=[quote(one.pk)]) for view in views]
    return [page for page in found if client.get(page).status_code == 200]


def test_every_page_of_every_model_is_whole(
    browser: Browser, live_server, client: Client, pages: list[str]
) -> None:
    name = project.SESSION_COOKIE_NAME
    cookie = {"name": name, "value": client.cookies[name].value}
    problems: dict[str, list[str]] = {}
    with chromium.opened(browser, live_server.url, cookie) as looked:
        for page in pages:
            looked.page.goto(page)
            found = looked.problems(page.strip("/").replace("/", "-"))
            if ours := [said for said in found if BY_DJANGO not in said]:
                problems[page] = ours
        looked.complaints[:] = [c for c in looked.complaints if not c.startswith(FOCUSED)]
    assert len(pages) > 2 * len(admin.site._registry)
    assert problems == {}


@pytest.mark.parametrize("width", [1280, 390])
def test_a_form_ends_in_one_line(
    browser: Browser, live_server, client: Client, olga: User, width: int
) -> None:
    """The frame's: the last row has none of its own, the rows before it have theirs."""
    limit, _ = Limit.objects.get_or_create(name="orders-account")
    name = project.SESSION_COOKIE_NAME
    cookie = {"name": name, "value": client.cookies[name].value}
    view = {"viewport": {"width": width, "height": 900}}
    with chromium.opened(browser, live_server.url, cookie, **view) as looked:
        looked.page.goto(reverse("admin:songs_limit_change", args=[limit.pk]))
        lines = looked.page.evaluate(LINES)
    assert lines["frame"] == "1px"
    assert lines["rows"] == [*["1px"] * (len(lines["rows"]) - 1), "0px"]
    assert len(lines["rows"]) > 1


def test_operations_is_as_wide_as_a_telephone_when_the_ledger_has_been_checked(
    browser: Browser, live_server, client: Client, olga: User
) -> None:
    ledger_check.check_now()  # its sentence is a long one
    cast.alice()
    name = project.SESSION_COOKIE_NAME
    cookie = {"name": name, "value": client.cookies[name].value}
    view = {"viewport": {"width": 390, "height": 900}}
    with chromium.opened(browser, live_server.url, cookie, **view) as looked:
        looked.page.goto(reverse("admin:index"))
        looked.page.evaluate("scrollTo(0, document.body.scrollHeight)")  # it is replaced when seen
        expect(looked.page.locator(".song-check .jobs-badge")).to_be_visible()
        looked.picture("operations-390-checked")
        assert looked.too_wide() == []


def test_on_a_narrow_screen_each_cell_of_a_list_says_what_it_is(
    browser: Browser, live_server, client: Client, pages: list[str]
) -> None:
    name = project.SESSION_COOKIE_NAME
    cookie = {"name": name, "value": client.cookies[name].value}
    view = {"viewport": {"width": 390, "height": 900}}
    models = [model for model in admin.site._registry if model._meta.app_label == "songs"]
    unnamed: dict[str, list[str]] = {}
    with chromium.opened(browser, live_server.url, cookie, **view) as looked:
        for model in models:
            page = reverse(f"admin:songs_{model._meta.model_name}_changelist")
            looked.page.goto(page)
            if found := looked.page.evaluate(UNNAMED):
                unnamed[page] = found
    assert len(models) > 5
    assert unnamed == {}
