"""A network that is slow, goes or comes back late: the page says so and can be used again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from playwright.sync_api import Browser, Page, Route, expect

from songs.deletion import put_away
from songs.models import Song, SongStatus, User
from songs.sharing.publishing import publish
from tests.support import cast
from tests.support.browser import CHROMIUM, FLAGS

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not CHROMIUM, reason="NO BROWSER TESTED: Chromium is not installed"),
]
LOST = "That did not arrive. Try again."


@pytest.fixture
def user() -> User:
    return cast.alice()


@pytest.fixture
def page(browser: Browser, live_server, client, user: User) -> Iterator[Page]:
    """Of Alice. Chromium's console complains about each answer that does not come, so what is
    thrown alone fails the test."""
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    context = browser.new_context(base_url=live_server.url)
    context.add_cookies(
        [{"name": name, "value": client.cookies[name].value, "url": live_server.url}]
    )
    page = context.new_page()
    page.set_default_timeout(10_000)
    thrown: list[str] = []
    page.on("pageerror", lambda error: thrown.append(str(error)))
    yield page
    context.close()
    assert not thrown


@pytest.fixture
def song(user: User) -> Song:
    return cast.a_song(user, status=SongStatus.FAILED)


def rename(page: Page, title: str) -> None:
    page.get_by_label("Title").fill(title)
    page.get_by_role("button", name="Save").click()


def fail_once(page: Page, address: str, **answer: Any) -> None:
    """The next request to the address gets this answer, or none."""

    def fail(route: Route) -> None:
        if answer:
            route.fulfill(**answer)
        else:
            route.abort()

    page.route(address, fail, times=1)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"status": 503, "body": "Try again in a few seconds.", "content_type": "text/plain"},
        {"status": 502, "body": "<html><body>Bad gateway</body></html>"},
    ],
)
def test_a_form_that_does_not_arrive_says_so_and_can_be_sent_again(
    page: Page, song: Song, answer: dict[str, Any]
) -> None:
    page.goto(f"/songs/{song.pk}/")
    page.get_by_role("button", name="Rename").click()
    fail_once(page, "**/rename", **answer)
    rename(page, "Cats")
    expect(page.locator("#trouble")).to_have_text(LOST)
    expect(page.locator("#trouble")).to_be_in_viewport()
    expect(page).to_have_url(f"/songs/{song.pk}/")
    rename(page, "Two cats")
    expect(page.get_by_role("heading", name="Two cats")).to_be_visible()
    expect(page.locator("#trouble")).to_be_empty()


def test_rename_leads_to_the_field_where_a_refused_title_stands_on_the_page(
    page: Page, song: Song
) -> None:
    page.goto(f"/songs/{song.pk}/")
    page.get_by_role("button", name="Rename").click()
    rename(page, "\u200b")
    expect(page.get_by_text("A song needs a title.")).to_be_visible()
    page.get_by_role("heading", name="Rename").click()  # which takes the focus away
    page.get_by_role("button", name="Rename").click()
    expect(page.locator("#rename").get_by_label("Title")).to_be_focused()


def test_a_link_without_a_network_says_so(page: Page) -> None:
    page.goto("/songs/")
    page.context.set_offline(True)
    page.get_by_role("link", name="Discover").click()
    expect(page.locator("#trouble")).to_have_text(LOST)
    page.context.set_offline(False)
    page.get_by_role("link", name="Discover").click()
    expect(page.get_by_role("heading", name="Discover")).to_be_visible()
    expect(page.locator("#trouble")).to_be_empty()


def test_a_page_that_asks_for_news_says_that_it_hears_none(page: Page, user: User) -> None:
    song = cast.a_song(user, status=SongStatus.QUEUED)
    page.goto(f"/songs/{song.pk}/")
    page.context.set_offline(True)
    expect(page.locator("#trouble")).to_contain_text("goes on by itself")
    page.context.set_offline(False)
    expect(page.locator("#trouble")).to_be_empty()


def test_a_cancellation_that_does_not_arrive_says_so_where_the_page_asks_for_news_too(
    page: Page, user: User
) -> None:
    song = cast.a_song(user, status=SongStatus.QUEUED)
    page.goto(f"/songs/{song.pk}/")
    fail_once(page, "**/cancel")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#trouble")).to_have_text(LOST)


def test_like_that_does_not_arrive_says_so(page: Page) -> None:
    public = cast.a_song(cast.bob())
    publish(public, title="A waltz", byline="Bob")
    page.goto(f"/listen/{public.pk}/")
    fail_once(page, "**/like")
    page.get_by_role("button", name="Like").click()
    expect(page.locator("#trouble")).to_have_text(LOST)
    page.get_by_role("button", name="Like").click()
    expect(page.get_by_role("button", name="Like", pressed=True)).to_be_visible()
    expect(page.locator("#trouble")).to_be_empty()


def test_like_without_a_session_opens_the_page_to_sign_in_and_comes_back(page: Page) -> None:
    public = cast.a_song(cast.bob())
    publish(public, title="A waltz", byline="Bob")
    page.goto(f"/listen/{public.pk}/")
    Session.objects.all().delete()
    page.get_by_role("button", name="Like").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert page.locator("#page").count() == page.locator("header.top").count() == 1
    page.get_by_label("Name").fill("alice")
    page.get_by_label("Password").fill(cast.PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page).to_have_url(f"/listen/{public.pk}/")
    expect(page.get_by_text("nothing was done. Try it again.")).to_be_visible()


def test_a_link_under_way_shows_a_bar(page: Page) -> None:
    page.goto("/songs/")
    held: list[Route] = []
    page.route("**/discover/", lambda route: held.append(route))
    page.get_by_role("link", name="Discover").click()
    bar = "getComputedStyle(document.body, '::before')"
    assert page.evaluate(f"{bar}.height") == "3px"
    assert page.evaluate(f"{bar}.animationName") == "under-way"
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(f"{bar}.animationName") == "none"
    held[0].continue_()
    expect(page.get_by_role("heading", name="Discover")).to_be_visible()
    assert page.evaluate(f"{bar}.content") == "none"


def under_way(page: Page) -> None:
    """The link to Discover is pressed, and its answer does not come."""
    page.route("**/discover/", lambda route: None)
    with page.expect_request("**/discover/"):
        page.get_by_role("link", name="Discover").click()


def test_of_two_clicks_on_a_slow_network_the_later_one_wins(page: Page) -> None:
    """The first request is broken off, so that its answer cannot come last."""
    page.goto("/songs/")
    under_way(page)
    with page.expect_event("requestfailed") as broken_off:
        page.get_by_role("link", name="Create", exact=True).click()
    assert broken_off.value.url.endswith("/discover/")
    expect(page.get_by_role("heading", name="Describe a song")).to_be_visible()
    expect(page).to_have_url("/")
    expect(page.locator("#trouble")).to_be_empty()


def test_back_wins_over_a_link_that_is_under_way(page: Page) -> None:
    page.goto("/songs/")
    page.get_by_role("link", name="Create", exact=True).click()
    expect(page.get_by_role("heading", name="Describe a song")).to_be_visible()
    under_way(page)
    with page.expect_event("requestfailed") as broken_off:
        page.evaluate("history.back()")
    assert broken_off.value.url.endswith("/discover/")
    expect(page.get_by_role("heading", name="My songs")).to_be_visible()
    expect(page).to_have_url("/songs/")


# --- Back -----------------------------------------------------------------------------------------


def test_back_to_a_song_that_is_deleted_says_that_nothing_is_there(page: Page, song: Song) -> None:
    page.goto(f"/songs/{song.pk}/")
    page.get_by_role("link", name="Create", exact=True).click()
    expect(page.get_by_role("heading", name="Describe a song")).to_be_visible()
    Song.objects.filter(pk=song.pk).delete()
    page.evaluate("history.back()")
    expect(page.get_by_role("heading", name="Nothing plays here")).to_be_visible()
    expect(page).to_have_url(f"/songs/{song.pk}/")


def test_back_without_a_network_says_so_and_the_page_comes_with_the_network(page: Page) -> None:
    page.goto("/songs/")
    page.get_by_role("link", name="Create", exact=True).click()
    expect(page.get_by_role("heading", name="Describe a song")).to_be_visible()
    page.context.set_offline(True)
    page.evaluate("history.back()")
    expect(page.locator("#trouble")).to_have_text(LOST)
    page.context.set_offline(False)
    expect(page.get_by_role("heading", name="My songs")).to_be_visible()


def test_after_signing_out_back_shows_no_page_of_the_account(
    browser: Browser, live_server, client, user: User, song: Song
) -> None:
    """In a browser that keeps the pages it has left as they were."""
    client.force_login(user)
    cookie = {"name": settings.SESSION_COOKIE_NAME, "url": live_server.url}
    cookie["value"] = client.cookies[cookie["name"]].value
    keeping = browser.browser_type.launch(
        executable_path=CHROMIUM,
        args=FLAGS,
        ignore_default_args=["--disable-back-forward-cache"],
    )
    context = keeping.new_context(base_url=live_server.url)
    context.add_cookies([cookie])  # type: ignore[list-item]
    page = context.new_page()
    page.goto("/songs/")
    expect(page.get_by_text(str(song))).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.evaluate("history.back()")
    expect(page).to_have_url(re.compile("next="))
    expect(page.get_by_text(str(song))).to_have_count(0)
    keeping.close()


# --- a clock that is wrong ------------------------------------------------------------------------


@pytest.mark.parametrize("minutes", [-7, 7])
def test_a_clock_that_is_wrong_takes_no_undo_away_and_counts_right(
    page: Page, user: User, minutes: int
) -> None:
    wrong = datetime.now(UTC) + timedelta(minutes=minutes)
    page.clock.install(time=wrong)
    deleted = cast.a_song(user, "a march")
    put_away(deleted)
    making = cast.a_song(user, status=SongStatus.QUEUED)
    page.goto("/songs/")
    page.clock.run_for(3_000)
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    expect(page.locator(f"#card-{making.pk} [data-elapsed]")).to_have_text(
        re.compile(r"^0:\d\d so far$")
    )
    page.clock.run_for(60_000)
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)
