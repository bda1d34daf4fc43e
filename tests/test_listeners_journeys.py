"""A listener's ways in a real browser, against the real web process, cluster and studio."""

from __future__ import annotations

import re
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project
from django.test import Client
from playwright.sync_api import Browser, Page, expect

from jobs.testing import travel
from songs.models import Song, SongStatus, User
from tests.support import cast
from tests.support.browser import CHROMIUM, Looked, opened
from tests.test_end_to_end import PATIENCE, Process, environment, started

__all__ = ["environment", "started"]  # fixtures
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not CHROMIUM, reason="NO BROWSER TESTED: Chromium is not installed"),
]
GUNICORN = ("-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "melodymaker.wsgi")
LONG = PATIENCE * 1000  # ms; only a test that fails waits for so long
PLAYS = "!document.querySelector('#player audio').paused"


@pytest.fixture
def site(started: Any) -> Any:
    """Start studio, cluster and web process; gives the cluster and the site's address."""

    def start(*studio_options: str) -> tuple[Process, str]:
        studio = started("studio", "--port", "0", *studio_options)
        address = studio.wait_until(
            lambda: re.search(r"open at (http://\S+)/", studio.said), "the studio opens"
        ).group(1)
        endpoints = {
            "GENERATE_FROM_DESCRIPTION": f"{address}/generate_from_description",
            "GENERATE_WITH_LYRICS": f"{address}/generate_with_lyrics",
            "GENERATE_FROM_DESCRIBED_LYRICS": f"{address}/generate_with_described_lyrics",
        }
        port = free_port()
        web = started(*GUNICORN, PORT=str(port), **endpoints)
        web.wait_until(lambda: answers(port), "the web process listens")
        return started("qcluster", **endpoints), f"http://127.0.0.1:{port}"

    return start


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def alice(transactional_db: None) -> User:
    return cast.alice()


@pytest.fixture
def looking(browser: Browser, alice: User) -> Any:
    """Opens Alice's browser at an address, or another account's, or a stranger's (None)."""
    name = project.SESSION_COOKIE_NAME

    def at(base: str, account: User | None = alice) -> Any:
        client = Client()
        if account:
            client.force_login(account)
        cookie = {"name": name, "value": client.cookies[name].value if account else "none"}
        return opened(browser, base, cookie, viewport={"width": 1280, "height": 900})

    return at


def until(page: Page, is_so: str) -> None:
    for _ in range(int(LONG // 100)):
        if page.evaluate(is_so):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"not within {PATIENCE:g} s: {is_so}")


def ask_with_lyrics(page: Page) -> None:
    page.goto("/")
    page.get_by_label("Write the lyrics").check()
    page.get_by_role("button", name="folk", exact=True).click()
    page.get_by_label("Lyrics", exact=True).fill("[verse]\nTwo cats upon a roof\nsing till dawn")
    page.get_by_label("Length").fill("10")
    page.get_by_role("button", name="Make my song").click()
    expect(page.get_by_role("heading", name="Two cats upon a roof")).to_be_visible()


def test_asked_with_lyrics_heard_while_browsing_deleted_and_brought_back(
    site: Any, looking: Any, alice: User, settings: Any, tmp_path: Path
) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"
    cluster, base = site()
    with looking(base) as looked:
        page = looked.page
        ask_with_lyrics(page)
        expect(page.get_by_text("Ready to play", exact=True)).to_be_visible(timeout=LONG)
        expect(page).to_have_title(re.compile("^Ready · Two cats upon a roof"))
        song = Song.objects.get(owner=alice)
        cluster.wait_until(lambda: drawn(song), "the waveform is drawn")
        heard_while_browsing(looked, song)
        deleted_and_brought_back(page, song)
        travel(timedelta(seconds=61))
        deleted_and_gone(page, cluster, song)


def drawn(song: Song) -> bool:
    song.refresh_from_db()
    return bool(song.peaks)


def heard_while_browsing(looked: Looked, song: Song) -> None:
    page = looked.page
    page.reload()
    page.get_by_role("main").get_by_role("button", name="Play").first.click()
    until(page, "document.querySelector('#player audio').currentTime > 0.2")
    page.get_by_role("link", name="My songs", exact=True).first.click()
    expect(page.get_by_role("heading", name="My songs")).to_be_visible()
    page.get_by_label("Search").fill("roof")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("1 song")).to_be_visible()
    assert page.evaluate(PLAYS)
    page.get_by_role("link", name=re.compile("credit")).first.click()
    expect(page.get_by_text("The song was ready, so it cost a credit.")).to_be_visible()
    assert page.evaluate(PLAYS)
    shown = page.locator("#player [class=wave-all]").get_attribute("d") or ""
    assert shown.count("M") == len(song.peaks or b"")


def deleted_and_brought_back(page: Page, song: Song) -> None:
    delete(page, song)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("is back.")).to_be_visible()
    assert Song.objects.filter(pk=song.pk, deleted_at=None).exists()


def deleted_and_gone(page: Page, cluster: Process, song: Song) -> None:
    delete(page, song)
    travel(timedelta(seconds=61))
    cluster.wait_until(lambda: not Song.objects.filter(pk=song.pk).exists(), "the song is gone")


def delete(page: Page, song: Song) -> None:
    page.goto(f"/songs/{song.pk}/")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete it").click()
    expect(page.get_by_text("is deleted.")).to_be_visible()


def test_cancelled_while_it_is_being_made(site: Any, looking: Any, alice: User) -> None:
    cluster, base = site("--delay", "600")
    with looking(base) as looked:
        page = looked.page
        ask_with_lyrics(page)
        expect(page.get_by_text("Being made", exact=True)).to_be_visible(timeout=LONG)
        expect(page).to_have_title(re.compile("^Being made · Two cats"))
        page.get_by_role("button", name="Cancel “Two cats").click()
        expect(page.get_by_text("It cost you nothing.").first).to_be_visible()
        song = Song.objects.get(owner=alice)
        assert song.status == SongStatus.CANCELLED
        alice.refresh_from_db()
        assert alice.credits == 3
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_text("Being made", exact=True)).to_be_visible(timeout=LONG)
    assert "Traceback" not in cluster.said


def test_two_takes_of_which_one_is_renamed_published_heard_and_liked(
    site: Any, looking: Any, alice: User, settings: Any, tmp_path: Path
) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"
    cluster, base = site()
    with looking(base) as looked:
        takes = two_takes(looked.page, alice)
        published_as(looked.page, takes[0], "Roof waltz")
    with looking(base, None) as stranger:
        arrived_and_heard(stranger.page, "Roof waltz")
    with looking(base, cast.bob()) as at_bob:
        liked(at_bob.page, "Roof waltz")
    with looking(base) as looked:
        looked.page.goto(f"/songs/{takes[0].pk}/")
        looked.page.get_by_role("button", name="Make it private").click()
        expect(looked.page.get_by_text("Private: only you can hear it")).to_be_visible()
        looked.page.goto("/accounts/credits/")
        expect(looked.page.get_by_text("You have 1.")).to_be_visible()
    with looking(base, None) as stranger:
        answer = stranger.page.goto(f"/listen/{takes[0].pk}/")
        assert answer.status == 404
        stranger.complaints.clear()  # the browser notes the 404, which is what this is about
    assert "Traceback" not in cluster.said


def two_takes(page: Page, alice: User) -> list[Song]:
    page.goto("/")
    page.get_by_label("What should it sound like?").fill("a waltz for two cats on a roof")
    page.get_by_label("Two takes").check()
    page.get_by_label("Length").fill("10")
    page.get_by_role("button", name="Make my song").click()
    play = page.get_by_role("main").get_by_role("button", name=re.compile("^Play A waltz"))
    expect(play).to_have_count(2, timeout=LONG)
    return list(Song.objects.filter(owner=alice).order_by("id"))


def published_as(page: Page, song: Song, title: str) -> None:
    page.goto(f"/songs/{song.pk}/")
    page.get_by_role("button", name="Rename").click()
    rename = page.locator("#rename")
    rename.get_by_label("Title").fill(title)
    rename.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name=title)).to_be_visible()
    share = page.locator("#share")
    share.get_by_label("Name shown with it").fill("Alma")
    share.get_by_role("button", name="Publish the song").click()
    expect(page.get_by_text("Your song is public.")).to_be_visible()


def arrived_and_heard(page: Page, title: str) -> None:
    page.goto("/")
    page.get_by_role("button", name=f"Play {title}").click()
    until(page, "document.querySelector('#player audio').currentTime > 0.2")
    page.get_by_role("link", name="Discover more").click()
    expect(page.get_by_role("heading", name="Discover", level=1)).to_be_visible()
    page.get_by_role("main").get_by_role("link", name=title, exact=True).click()
    expect(page.get_by_text("by Alma")).to_be_visible()
    assert page.evaluate(PLAYS)


def liked(page: Page, title: str) -> None:
    page.goto("/discover/?order=new")
    page.get_by_role("main").get_by_role("link", name=title, exact=True).click()
    page.get_by_role("button", name="Like").click()
    expect(page.get_by_role("button", name="Like")).to_have_text("Like 1")
