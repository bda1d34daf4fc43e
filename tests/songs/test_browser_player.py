"""The player in a real browser: it goes on while the listener browses, is used by keyboard, and
outlives the links to a song's file."""

from __future__ import annotations

import io
import math
import struct
import wave
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from songs.models import Category, Song, User
from tests.support import cast
from tests.support.browser import CHROMIUM, Looked, opened

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not CHROMIUM, reason="NO BROWSER TESTED: Chromium is not installed"),
]
PLAYS = "!document.querySelector('#player audio').paused"
POSITION = "document.querySelector('#player audio').currentTime"
PATIENCE = 10_000  # ms; only a test that fails waits for so long


@pytest.fixture
def user() -> User:
    return cast.alice()


@pytest.fixture
def looked(browser: Browser, live_server, client, user: User) -> Iterator[Looked]:
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    cookie = {"name": name, "value": client.cookies[name].value}
    with opened(browser, live_server.url, cookie, viewport={"width": 1280, "height": 800}) as page:
        yield page


@pytest.fixture
def page(looked: Looked) -> Page:
    return looked.page


def a_tone(seconds: int = 20) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(2)
        audio.setframerate(8000)
        tones = (int(9000 * math.sin(n / 5)) for n in range(8000 * seconds))
        audio.writeframes(b"".join(struct.pack("<h", tone) for tone in tones))
    return file.getvalue()


def a_picture() -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(file, "PNG")
    return file.getvalue()


def a_playable(owner: User, title: str) -> Song:
    song = cast.a_song(
        owner, title, title=title, s3_key="", status="failed", audio_duration=20.0,
        peaks=bytes(40 + n * 37 % 200 for n in range(96)),
    )  # fmt: skip
    song.s3_key, song.status = f"{song.pk}.wav", "processed"
    song.thumbnail_s3_key = f"{song.pk}.png"
    default_storage.save(song.s3_key, ContentFile(a_tone()))
    default_storage.save(song.thumbnail_s3_key, ContentFile(a_picture()))
    song.save()
    return song


def until(page: Page, is_so: str) -> None:
    """Wait without `wait_for_function`, whose `eval` the page's policy forbids."""
    for _ in range(PATIENCE // 50):
        if page.evaluate(is_so):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"not within {PATIENCE / 1000:g} s: {is_so}")


def player(page: Page):
    return page.get_by_role("region", name="Player")


def test_the_music_goes_on_while_the_listener_browses(page: Page, user: User) -> None:
    song = a_playable(user, "A tango")
    page.goto("/songs/")
    expect(player(page)).to_be_hidden()
    page.get_by_role("button", name="Play A tango").click()
    expect(player(page)).to_contain_text("A tango")
    until(page, f"{POSITION} > 0.3")
    page.evaluate("window.isTheSamePage = true")
    for name, heading in (("Create", "Describe a song"), ("My songs", "My songs")):
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("heading", name=heading, level=1)).to_be_visible()
        assert page.evaluate(PLAYS)
    page.go_back()
    expect(page.get_by_role("heading", name="Describe a song")).to_be_visible()
    assert page.evaluate(PLAYS)
    player(page).get_by_role("link", name="A tango").click()
    expect(page).to_have_url(f"{page.evaluate('location.origin')}/songs/{song.pk}/")
    expect(page).to_have_title("A tango · MelodyMaker")
    expect(page.get_by_role("main").get_by_role("button", name="Pause A tango")).to_be_visible()
    assert page.evaluate("window.isTheSamePage")
    assert page.evaluate(PLAYS)


def test_a_page_that_is_loaded_anew_goes_on_at_the_same_place(page: Page, user: User) -> None:
    a_playable(user, "A tango")
    page.goto("/songs/")
    page.get_by_role("button", name="Play A tango").click()
    page.get_by_label("Position").fill("12")
    until(page, f"{POSITION} > 12")
    page.reload()
    expect(player(page)).to_contain_text("A tango")
    until(page, f"{POSITION} > 11")


def test_the_player_is_used_by_keyboard(page: Page, user: User) -> None:
    for title in ("Third", "Second", "First"):
        a_playable(user, title)
    page.goto("/songs/")
    page.get_by_role("button", name="Play First").focus()
    page.keyboard.press("Space")
    expect(player(page)).to_contain_text("First")
    until(page, PLAYS)
    page.get_by_label("Position").focus()
    page.keyboard.press("Space")
    until(page, f"!({PLAYS})")
    page.keyboard.press("ArrowRight")
    until(page, f"{POSITION} >= 1")
    page.keyboard.press("n")
    expect(player(page)).to_contain_text("Second")
    page.keyboard.press("m")
    expect(page.get_by_label("Mute")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Next song").press("Enter")
    expect(player(page)).to_contain_text("Third")
    expect(page.get_by_role("button", name="Next song")).to_be_disabled()
    page.get_by_role("button", name="Previous song").press("Enter")
    expect(player(page)).to_contain_text("Second")
    page.get_by_role("button", name="Close the player").press("Enter")
    expect(player(page)).to_be_hidden()


def test_the_system_is_told_what_plays(page: Page, user: User) -> None:
    song = a_playable(user, "A tango")
    page.goto(f"/songs/{song.pk}/")
    page.get_by_role("button", name="Play A tango").click()
    until(page, "navigator.mediaSession.metadata?.title === 'A tango'")
    art = page.evaluate("navigator.mediaSession.metadata.artwork[0].src")
    assert art.endswith(f"/songs/{song.pk}/cover")


SHIFTS = """
new PerformanceObserver((list) => {
  for (const shift of list.getEntries()) (window.shifts ??= []).push(...shift.sources.map(
    ({ node, previousRect, currentRect }) =>
      `${node?.outerHTML?.slice(0, 90)} from ${[previousRect.x, previousRect.y]}`
      + ` to ${[currentRect.x, currentRect.y]}`));
}).observe({ type: "layout-shift", buffered: true });
"""


def arrive(song: Song) -> None:
    """The song is finished, and its waveform is not drawn yet."""
    default_storage.save(f"{song.pk}.wav", ContentFile(a_tone()))
    default_storage.save(f"{song.pk}.png", ContentFile(a_picture()))
    Song.objects.filter(pk=song.pk).update(
        status="processed",
        s3_key=f"{song.pk}.wav",
        thumbnail_s3_key=f"{song.pk}.png",
        finished_at=timezone.now(),
    )
    for name in ("Tango", "Warm roofs", "Two cats", "Night", "Accordion"):
        song.categories.add(Category.objects.create(name=name, folded=name.casefold()))


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("at", ["/", "/songs/", "/songs/{}/"])
def test_a_song_that_finishes_moves_nothing_and_its_waveform_comes_by_itself(
    page: Page, user: User, at: str, width: int
) -> None:
    a_playable(user, "A waltz")
    song = cast.a_song(user, "a tango", title="A tango", status="processing", audio_duration=20.0)
    page.set_viewport_size({"width": width, "height": 800})
    page.add_init_script(SHIFTS)
    page.goto(at.format(song.pk))
    page.get_by_text("Being made", exact=True).wait_for()
    arrive(song)
    play = page.get_by_role("main").get_by_role("button", name="Play A tango")
    play.click()
    until(page, f"{POSITION} > 0.1")
    even = page.locator("#player .wave-all").get_attribute("d")
    Song.objects.filter(pk=song.pk).update(peaks=bytes(range(96)))
    until(page, "document.querySelector('[data-title=\"A tango\"]').dataset.waveform !== ''")
    drawn = page.locator("#player .wave-all").get_attribute("d")
    assert drawn != even
    if page.locator("svg.waveform").count():
        assert page.locator("svg.waveform .wave-all").get_attribute("d") == drawn
    assert page.locator("[data-drawing]").count() == 0
    assert page.evaluate(PLAYS)
    assert page.evaluate("window.shifts ?? []") == []


def test_when_a_link_has_ended_the_site_is_asked_for_another(looked: Looked, user: User) -> None:
    """The site leads to a bucket, whose first link ends while the song is paused."""
    page, song = looked.page, a_playable(user, "A tango")
    ended: list[str] = []

    def bucket(route: Route) -> None:
        if "again" not in route.request.url and ended:
            return route.fulfill(status=403)
        return route.continue_()

    page.route("**/audio**", bucket)
    page.goto(f"/songs/{song.pk}/")
    page.get_by_role("button", name="Play A tango").click()
    until(page, f"{POSITION} > 0.2")
    page.get_by_label("Position").fill("8")
    until(page, f"{POSITION} > 8")
    ended.append("now")
    page.evaluate("document.querySelector('#player audio').dispatchEvent(new Event('error'))")
    until(page, "document.querySelector('#player audio').src.includes('again')")
    until(page, f"{POSITION} > 8")
    assert page.evaluate(PLAYS)
    del looked.complaints[:]  # the browser notes the 403


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_player_is_handsome(
    browser: Browser, live_server, client, user: User, scheme: str, width: int
) -> None:
    song = a_playable(user, "A tango for two cats on a very warm roof")
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    cookie = {"name": name, "value": client.cookies[name].value}
    wide = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    with opened(browser, live_server.url, cookie, **wide) as looked:
        for address, called in (("/songs/", "library"), (f"/songs/{song.pk}/", "song")):
            looked.page.goto(address)
            if player(looked.page).is_hidden():
                looked.page.get_by_role("main").get_by_role("button", name="Play").first.click()
            until(looked.page, f"{POSITION} > 0.1")
            assert looked.too_wide() == []
            assert looked.axe_violations() == []
            looked.picture(f"player-{called}-{width}-{scheme}")
