"""A listener leaves, in a real browser: downloads everything, then closes the account.

The pages are looked at by axe, in the light and in the dark, on a telephone and on a desk.
"""

from __future__ import annotations

import zipfile
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, expect

from jobs.testing import drain
from songs.models import Download, User
from tests.support.browser import CHROMIUM, Looked, opened
from tests.support.canary import rows
from tests.support.cast import PASSWORD, a_song, listener

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not CHROMIUM, reason="NO BROWSER TESTED: Chromium is not installed"),
]
NAME = "zebrafink"


@pytest.fixture
def zoe(db) -> User:
    user = listener(NAME)
    song = a_song(user, f"a waltz for {NAME}")
    for key in (song.s3_key, song.thumbnail_s3_key):
        default_storage.save(key, ContentFile(b"la la"))
    return user


def cookie_of(user: User) -> dict[str, Any]:
    client = Client()
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    return {"name": name, "value": client.cookies[name].value}


def test_a_listener_downloads_everything_and_closes_the_account(
    browser: Browser, live_server, zoe: User
) -> None:
    with opened(browser, live_server.url, cookie_of(zoe)) as looked:
        page = looked.page
        page.goto("/accounts/credits/")
        page.get_by_role("link", name="Close my account").click()
        expect(page.get_by_text("1 song, with audio, cover and your words")).to_be_visible()
        page.get_by_role("link", name="download everything").click()
        page.get_by_role("button", name="Make the download").press("Enter")
        expect(page.get_by_text("In line: it starts in a moment")).to_be_visible()
        drain()
        expect(page.get_by_text("Ready: 1 song")).to_be_visible()
        assert page.url.endswith("/accounts/download/")
        expect(page.locator("#live")).to_have_text("Your download is ready.")
        assert page.locator("[hx-trigger^=every]").count() == 0
        expect(page.get_by_role("button", name="Make it anew")).to_be_disabled()
        with page.expect_download() as coming:
            page.get_by_role("link", name="Get the ZIP").click()
        with zipfile.ZipFile(coming.value.path()) as archive:
            assert coming.value.suggested_filename == "MelodyMaker.zip"
            assert f"songs/0001 A waltz for {NAME}.mp3" in archive.namelist()

        Download.objects.update(ready_at=timezone.now() - timedelta(minutes=10, seconds=-3))
        page.goto("/accounts/download/")
        expect(page.get_by_role("button", name="Make it anew")).to_be_disabled()
        expect(page.get_by_role("button", name="Make it anew")).to_be_enabled(timeout=15_000)
        assert page.url.endswith("/accounts/download/")
        expect(page.get_by_role("heading", name="Download everything")).to_have_count(1)

        page.goto("/accounts/close/")
        expect(page.get_by_text("Your download of everything is ready.")).to_be_visible()
        page.get_by_label("Your password").fill("not this one")
        page.get_by_label("Your password").press("Enter")
        expect(page.get_by_text("That is not your password. Nothing was closed.")).to_be_visible()
        looked.complaints.clear()  # the browser notes the 422, which is what this is about
        page.get_by_label("Your password").fill(PASSWORD)
        page.get_by_role("button", name="Close my account for good").click()
        expect(page.get_by_text("Your account is closed.")).to_be_visible()
        expect(page.get_by_role("link", name="Sign in").first).to_be_visible()
        drain()
    assert [table for table, row in rows() if NAME in row.lower()] == []
    assert default_storage.listdir("")[1] == []


def test_its_pages_are_whole_and_readable_everywhere(
    browser: Browser, live_server, zoe: User
) -> None:
    with opened(browser, live_server.url, cookie_of(zoe)) as looked:
        look_at(looked, "/accounts/credits/", "credits")
        look_at(looked, "/accounts/download/", "download")
        looked.page.get_by_role("button", name="Make the download").click()
        expect(looked.page.get_by_text("In line: it starts in a moment")).to_be_visible()
        look(looked, "download-moving")
        drain()
        expect(looked.page.get_by_text("Ready: 1 song")).to_be_visible()  # by itself
        look(looked, "download-ready")
        look_at(looked, "/accounts/close/", "close")


def test_the_operators_page_that_asks_is_whole_and_says_what_goes(
    browser: Browser, live_server, zoe: User
) -> None:
    olga = User.objects.create_superuser("olga", "olga@example.com", PASSWORD)
    with opened(browser, live_server.url, cookie_of(olga)) as looked:
        look_at(looked, f"/admin/songs/user/{zoe.pk}/delete/", "operator")
        expect(looked.page.get_by_text("1 song with audio, cover and words")).to_be_visible()


def look_at(looked: Looked, address: str, picture: str) -> None:
    looked.page.goto(address)
    look(looked, picture)


def look(looked: Looked, picture: str) -> None:
    assert looked.problems(picture) == []
