"""Asking for a song, waiting for it and keeping it in a real browser: the three ways, words that do
not get lost, and how the pages look."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models.functions import Now
from playwright.sync_api import Browser, Page, expect

from songs import credits
from songs.deletion import put_away
from songs.models import Song, SongStatus, User
from tests.support import cast
from tests.support.browser import CHROMIUM, Looked, opened

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not CHROMIUM, reason="NO BROWSER TESTED: Chromium is not installed"),
]


@pytest.fixture
def user() -> User:
    return cast.alice()


@pytest.fixture
def cookie(client, user: User) -> dict[str, str]:
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    return {"name": name, "value": client.cookies[name].value}


@pytest.fixture
def looked(browser: Browser, live_server, cookie: dict[str, str]) -> Iterator[Looked]:
    with opened(browser, live_server.url, cookie, viewport={"width": 1280, "height": 900}) as page:
        yield page


@pytest.fixture
def page(looked: Looked) -> Page:
    return looked.page


def describe(page: Page, words: str) -> None:
    page.get_by_label("What should it sound like?").fill(words)


def test_a_song_is_asked_for_with_lyrics_of_ones_own(page: Page, user: User) -> None:
    page.goto("/")
    expect(page.get_by_label("Lyrics", exact=True)).to_be_hidden()
    page.get_by_label("Write the lyrics").check()
    expect(page.get_by_label("What should it sound like?")).to_be_hidden()
    expect(page.get_by_label("Instrumental")).to_be_hidden()
    page.get_by_role("button", name="folk").click()
    page.get_by_label("Lyrics", exact=True).fill("[verse]\nTwo cats on a roof\n")
    page.get_by_label("Title").fill("Roof cats")
    page.get_by_role("button", name="Make my song").click()
    expect(page.get_by_role("heading", name="Roof cats")).to_be_visible()
    expect(page.get_by_text("Two cats on a roof")).to_be_visible()
    song = Song.objects.get(owner=user)
    assert (song.prompt, song.way, song.full_described_song) == ("folk", "lyrics", "")


def test_the_ways_are_chosen_by_keyboard(page: Page) -> None:
    page.goto("/")
    page.get_by_label("Describe the song").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("Lyrics", exact=True)).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("What should the lyrics say?")).to_be_visible()


def test_two_takes_are_two_songs_however_often_the_button_is_pressed(
    page: Page, user: User
) -> None:
    page.goto("/")
    describe(page, "a waltz for two cats")
    page.get_by_label("Two takes").check()
    page.get_by_role("button", name="Make my song").dblclick()
    expect(page.get_by_role("heading", name="My songs")).to_be_visible()
    for title in ("A waltz for two cats", "A waltz for two cats (take 2)"):
        expect(page.get_by_role("link", name=title, exact=True)).to_be_visible()
    assert Song.objects.filter(owner=user).count() == 2


def test_what_was_typed_survives_a_reload_and_other_pages(page: Page) -> None:
    page.goto("/")
    page.get_by_label("Write the lyrics").check()
    page.get_by_label("Lyrics", exact=True).fill("two cats")
    page.get_by_label("Length").press("ArrowRight")
    page.reload()
    expect(page.get_by_label("Lyrics", exact=True)).to_have_value("two cats")
    page.get_by_role("link", name="My songs", exact=True).click()
    expect(page.get_by_role("heading", name="My songs")).to_be_visible()
    page.get_by_role("link", name="Create", exact=True).click()
    expect(page.get_by_label("Lyrics", exact=True)).to_have_value("two cats")
    expect(page.locator("output").first).to_have_text("1:05")


def test_after_sending_a_new_form_is_empty(page: Page) -> None:
    page.goto("/")
    describe(page, "a waltz for two cats")
    page.get_by_role("button", name="Make my song").click()
    expect(page.get_by_role("heading", name="A waltz for two cats")).to_be_visible()
    page.get_by_role("link", name="Create", exact=True).click()
    expect(page.get_by_label("What should it sound like?")).to_have_value("")


def test_back_through_exchanged_pages_brings_the_form_as_it_was_sent(
    page: Page, user: User
) -> None:
    """Links exchange the page; Back then fetches the form anew, and it is still the same wish."""
    page.goto("/songs/")
    page.get_by_role("link", name="Create", exact=True).click()
    described = page.get_by_label("What should it sound like?")
    described.fill("a waltz")
    for sent, made in (("a waltz", 1), ("a waltz", 1), ("a march", 2), ("a march", 2)):
        if described.input_value() != sent:
            described.fill(sent)
        page.get_by_role("button", name="Make my song").click()
        expect(page.get_by_role("heading", name=sent.capitalize())).to_be_visible()
        assert Song.objects.filter(owner=user).count() == made
        page.get_by_role("link", name="My songs", exact=True).first.click()
        expect(page.get_by_role("heading", name="My songs")).to_be_visible()
        page.go_back()
        expect(page.get_by_role("heading", name=sent.capitalize())).to_be_visible()
        page.go_back()
        expect(described).to_have_value(sent)


def test_the_words_are_in_the_form_after_a_session_has_ended(page: Page, user: User) -> None:
    page.goto("/")
    words = "a waltz for two cats " * 70
    describe(page, words)
    Session.objects.all().delete()
    page.get_by_role("button", name="Make my song").click()
    expect(page.get_by_text("Your session has ended")).to_be_visible()
    page.get_by_label("Name or e-mail").fill("alice")
    page.get_by_label("Password").fill(cast.PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_label("What should it sound like?")).to_have_value(words)
    assert not Song.objects.exists()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_form_is_handsome_in_each_way(
    browser: Browser, live_server, cookie: dict[str, str], scheme: str, width: int
) -> None:
    wide = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    with opened(browser, live_server.url, cookie, **wide) as looked:
        looked.page.goto("/")
        for way in ("Describe the song", "Write the lyrics", "Describe the lyrics"):
            looked.page.get_by_label(way).check()
            assert looked.too_wide() == []
            assert looked.axe_violations() == []
            looked.picture(f"ask-{way.split()[-1]}-{way.split()[0]}-{width}-{scheme}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_waiting_keeping_and_credits_are_handsome(
    browser: Browser, live_server, cookie: dict[str, str], user: User, scheme: str, width: int
) -> None:
    making = cast.a_song(user, "a slow waltz", status=SongStatus.PROCESSING, started_at=Now())
    for number in range(3):
        cast.a_song(user, f"song {number}", status=SongStatus.QUEUED)
    failed = cast.a_song(user, "", title="Rain", prompt="folk", lyrics="la\nla", status="failed")
    credits.refund(failed, why="the storm", by=None)
    put_away(cast.a_song(user, "a tango on a roof", thumbnail_s3_key=""))
    wide = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    pages = {
        "library": "/songs/",
        "found": "/songs/?q=song&status=making",
        "none": "/songs/?q=nothing",
        "making": f"/songs/{making.pk}/",
        "failed": f"/songs/{failed.pk}/",
        "credits": "/accounts/credits/",
    }
    with opened(browser, live_server.url, cookie, **wide) as looked:
        for name, address in pages.items():
            looked.page.goto(address)
            assert looked.too_wide() == []
            assert looked.axe_violations() == []
            looked.picture(f"keep-{name}-{width}-{scheme}")
