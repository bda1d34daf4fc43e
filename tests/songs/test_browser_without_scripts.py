"""What a listener can do works without JavaScript too, in a real browser that runs none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from songs.models import Song, SongStatus, User
from songs.sharing.chores import count_categories
from tests.songs.sharing.sharing import public
from tests.songs.test_browser_player import a_playable
from tests.support import cast
from tests.support.browser import CHROMIUM, opened

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not CHROMIUM, reason="NO BROWSER TESTED: Chromium is not installed"),
]


@pytest.fixture
def alice(transactional_db: None) -> User:
    return cast.alice()


@pytest.fixture
def page(browser: Browser, live_server, client, alice: User) -> Iterator[Page]:
    """Alice's browser."""
    client.force_login(alice)
    name = settings.SESSION_COOKIE_NAME
    cookie = {"name": name, "value": client.cookies[name].value}
    with opened(browser, live_server.url, cookie, java_script_enabled=False) as looked:
        yield looked.page
        del looked.complaints[:]  # the browser notes each 422


def heading(page: Page, name: str) -> None:
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()


def test_a_song_is_asked_for_in_each_way_and_cancelled(page: Page, alice: User) -> None:
    page.goto("/")
    expect(page.get_by_role("button", name="sad piano ballad")).to_be_hidden()
    page.get_by_label("What should it sound like?").fill("a waltz for two cats")
    page.get_by_label("Title (optional)").fill("Cats")
    page.get_by_role("button", name="Make my song").click()
    heading(page, "Cats")
    page.goto("/")
    page.get_by_label("Write the lyrics").check()
    page.get_by_label("Lyrics", exact=True).fill("[verse]\nTwo cats upon a roof")
    page.get_by_role("button", name="Make my song").click()
    expect(page.get_by_text("The song was not started.")).to_be_visible()
    page.get_by_role("textbox", name="Style").fill("folk")
    page.get_by_role("button", name="Make my song").click()
    heading(page, "Two cats upon a roof")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("It cost you nothing.").first).to_be_visible()
    ways = Song.objects.filter(owner=alice).order_by("pk")
    assert [(song.title, song.status) for song in ways] == [
        ("Cats", SongStatus.QUEUED),
        ("Two cats upon a roof", SongStatus.CANCELLED),
    ]


def test_the_page_of_a_song_in_the_making_comes_again_by_itself(page: Page, alice: User) -> None:
    song = cast.a_song(alice, "a tango", title="A tango", status=SongStatus.PROCESSING)
    page.goto(f"/songs/{song.pk}/")
    expect(page.get_by_text("Being made", exact=True)).to_be_visible()
    done = a_playable(alice, "Another")
    Song.objects.filter(pk=song.pk).update(
        status=SongStatus.PROCESSED, s3_key=f"{song.pk}.wav", finished_at=timezone.now()
    )
    expect(page.get_by_text("Ready to play", exact=True)).to_be_visible(timeout=20_000)
    page.goto(f"/songs/{done.pk}/")
    expect(page.locator("audio[controls]")).to_be_visible()


def test_a_song_is_found_renamed_deleted_and_brought_back(page: Page, alice: User) -> None:
    for title in ("A tango", "A waltz"):
        a_playable(alice, title)
    page.goto("/songs/")
    page.get_by_label("Search").fill("tango")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("1 song")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="A tango", exact=True).last.click()
    page.get_by_role("button", name="Rename").click()
    rename = page.locator("#rename")
    rename.get_by_label("Title").fill("   ")
    rename.get_by_role("button", name="Save").click()
    expect(rename.locator(".errorlist")).to_be_visible()
    rename.get_by_label("Title").fill("Roofs")
    rename.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Renamed.")).to_be_visible()
    heading(page, "Roofs")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete it").click()
    expect(page.get_by_text("is deleted.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("is back.")).to_be_visible()
    page.get_by_role("link", name="Another like this").click()
    expect(page.get_by_label("What should it sound like?")).to_have_value("A tango")


def test_public_songs_are_found_heard_and_liked(page: Page) -> None:
    song = public(cast.bob(), "Piano", title="One")
    count_categories()
    page.goto("/discover/")
    page.get_by_role("navigation", name="Categories").get_by_role("link", name="Piano").click()
    heading(page, "Piano")
    page.get_by_role("link", name="Newest").click()
    expect(page.locator("audio[controls]")).to_have_attribute("src", f"/listen/{song.pk}/audio")
    page.get_by_role("link", name="One", exact=True).click()
    page.get_by_role("button", name="Like").click()
    expect(page.get_by_role("button", name="Like")).to_have_text("Like 1")


def test_credits_and_the_account_are_read_and_the_session_ends(page: Page) -> None:
    page.goto("/accounts/credits/")
    expect(page.locator("table.ledger")).to_contain_text("UTC")
    page.goto("/accounts/download/")
    page.get_by_role("main").get_by_role("button").first.click()
    expect(page.get_by_role("main")).to_contain_text("download")
    page.goto("/accounts/close/")
    heading(page, "Close")
    page.get_by_role("button", name="Sign out").click()
    heading(page, "Sign in")
