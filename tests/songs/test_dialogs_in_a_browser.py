"""The dialogs of a song's page in Chromium: each says what it is and takes the focus."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import expect

from tests.support import browser as chromium
from tests.support import cast

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        not chromium.CHROMIUM, reason="NO BROWSER TESTED: Chromium is not installed"
    ),
]


def test_an_open_dialog_has_the_focus_where_it_is_needed(
    browser, live_server, client: Client
) -> None:
    alice = cast.alice()
    client.force_login(alice)
    song = cast.a_song(alice, thumbnail_s3_key="")
    name = settings.SESSION_COOKIE_NAME
    cookie = {"name": name, "value": client.cookies[name].value}
    with chromium.opened(browser, live_server.url, cookie) as looked:
        page = looked.page
        page.goto(f"/songs/{song.pk}/")

        page.get_by_role("button", name="Rename").press("Enter")
        rename = page.get_by_role("dialog", name="Rename")
        expect(rename.get_by_label("Title")).to_be_focused()
        looked.picture("rename")
        assert looked.axe_violations() == []
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Rename")).to_be_focused()

        page.get_by_role("button", name="Delete").press("Enter")
        delete = page.get_by_role("dialog", name="Delete this song?")
        expect(delete.get_by_role("button", name="Keep it")).to_be_focused()
