"""A session that has ended: signing in leads to a page, and the page says that nothing was done."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.sessions.models import Session
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from jobs.models import Run
from songs.accounts.ended_sessions import NOTHING_DONE
from songs.models import Song, User
from songs.sharing.publishing import publish
from songs.ways_back import is_page
from tests.support import cast, rows

pytestmark = pytest.mark.django_db
HOST = "http://testserver"


@pytest.fixture
def song(alice: User) -> Song:
    return cast.a_song(alice)


def press(browser: Client, address: str, page: str = "", **headers: str) -> Any:
    """A button of the page, after the session has ended."""
    Session.objects.all().delete()
    named = {"Referer": f"{HOST}{page}"} if page else {}
    return browser.post(address, {"title": "Cats"}, headers=named | headers)


def after_signing_in(browser: Client, answer: HttpResponse, name: str = "alice") -> Any:
    where = answer.headers.get("HX-Redirect") or answer["Location"]
    door = browser.get(where, follow=True)
    following = door.context["redirect_field_value"]
    form = {"login": name, "password": cast.PASSWORD, "next": following}
    return browser.post(reverse("account_login"), form, follow=True)


def next_of(answer: HttpResponse) -> str:
    where = answer.headers.get("HX-Redirect") or answer["Location"]
    return parse_qs(urlsplit(where).query)["next"][0]


def test_no_session_is_made_for_a_stranger(client: Client, song: Song) -> None:
    press(client, f"/songs/{song.pk}/delete")
    press(client, f"/songs/{song.pk}/delete")
    assert not Session.objects.exists()


@pytest.mark.parametrize("act", ["rename", "again", "delete", "undo", "cancel", "withdraw"])
def test_a_button_leads_to_its_page_and_the_page_says_that_nothing_was_done(
    alices: Client, song: Song, act: str
) -> None:
    page = f"/songs/{song.pk}/"
    answer = press(alices, f"{page}{act}", page)
    assert next_of(answer) == page
    shown = after_signing_in(alices, answer)
    assert shown.request["PATH_INFO"] == page
    assert NOTHING_DONE in shown.content.decode()
    assert NOTHING_DONE not in alices.get(page).content.decode()
    assert alices.session.get_expiry_age() > 3600
    assert not Song.objects.filter(title="Cats").exists()


def test_a_button_of_a_list_leads_to_the_list_as_it_was(alices: Client, song: Song) -> None:
    page = "/songs/?q=waltz&status=processed"
    assert next_of(press(alices, f"/songs/{song.pk}/delete", page)) == page


@pytest.mark.parametrize(
    "referer",
    ["", "https://evil.example/songs/", "http://testserver//evil.example/", "http://[", "nonsense"],
)
def test_without_a_page_of_this_site_the_address_says_the_page(
    alices: Client, song: Song, referer: str
) -> None:
    answer = press(alices, f"/songs/{song.pk}/delete", Referer=referer)
    assert next_of(answer) == f"/songs/{song.pk}/"


def test_a_form_that_came_back_at_its_own_address_leads_to_the_song(
    alices: Client, song: Song
) -> None:
    rename = f"/songs/{song.pk}/rename"
    assert next_of(press(alices, rename, rename)) == f"/songs/{song.pk}/"


def test_the_page_to_sign_in_says_why_it_is_there(alices: Client, song: Song) -> None:
    answer = press(alices, f"/songs/{song.pk}/rename")
    door = alices.get(answer["Location"]).content.decode()
    assert "Your session has ended, so nothing was done." in door
    assert f'action="{reverse("account_login")}"' in door


def test_a_page_without_a_session_leads_to_itself_and_says_nothing(
    client: Client, song: Song
) -> None:
    page = f"/songs/{song.pk}/"
    answer = client.get(page, headers={"Referer": f"{HOST}/songs/"})
    assert next_of(answer) == page
    assert NOTHING_DONE not in after_signing_in(client, answer).content.decode()


def test_a_part_of_a_page_is_not_exchanged_for_the_page_to_sign_in(
    bobs: Client, song: Song
) -> None:
    publish(song, title="A waltz", byline="Alice")
    page = f"/listen/{song.pk}/"
    asked = {"HX-Request": "true", "HX-Current-URL": f"{HOST}{page}"}
    answer = press(bobs, f"{page}like", "", **asked)
    assert (answer.status_code, answer.content) == (204, b"")
    assert next_of(answer) == page
    assert NOTHING_DONE in after_signing_in(bobs, answer, "bob").content.decode()


def test_a_part_of_a_page_names_no_page_of_another_site(bobs: Client, song: Song) -> None:
    asked = {"HX-Request": "true", "HX-Current-URL": "https://evil.example/songs/"}
    answer = press(bobs, f"/listen/{song.pk}/like", "", **asked)
    assert next_of(answer) == f"/listen/{song.pk}/"


def test_a_boosted_form_is_told_where_to_sign_in(alices: Client, song: Song) -> None:
    page = f"/songs/{song.pk}/"
    asked = {"HX-Request": "true", "HX-Boosted": "true", "HX-Current-URL": f"{HOST}{page}"}
    assert next_of(press(alices, f"{page}rename", "", **asked)) == page


# --- the panel ------------------------------------------------------------------------------------


def test_an_operators_button_leads_to_its_page_in_the_panel(olgas: Client) -> None:
    run = rows.failed_run()
    page = reverse("admin:jobs_run_change", args=[run.pk])
    answer = press(olgas, reverse("admin:jobs_run_deal", args=[run.pk]), page)
    assert next_of(answer) == page
    shown = after_signing_in(olgas, answer, "olga")
    assert shown.request["PATH_INFO"] == page
    assert NOTHING_DONE in shown.content.decode()
    assert Run.objects.get(pk=run.pk).mended_at is None


def test_an_operators_button_that_names_no_page_leads_to_the_objects_page(olgas: Client) -> None:
    run = rows.failed_run()
    answer = press(olgas, reverse("admin:jobs_run_deal", args=[run.pk]))
    assert next_of(answer) == reverse("admin:jobs_run_change", args=[run.pk])


def test_an_operators_button_about_no_object_leads_to_a_list_or_the_first_page(
    olgas: Client,
) -> None:
    deal = press(olgas, reverse("admin:jobs_run_deal_kind"))
    assert next_of(deal) == reverse("admin:jobs_run_failures")
    assert next_of(press(olgas, reverse("admin:hand_over_note"))) == reverse("admin:hand_over")


# --- 405 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["rename", "delete", "undo"])
def test_a_buttons_address_is_a_page_with_a_way_back(alices: Client, song: Song, act: str) -> None:
    answer = alices.get(f"/songs/{song.pk}/{act}")
    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert f'href="/songs/{song.pk}/"' in answer.content.decode()
    assert "Nothing was done." in answer.content.decode()


def test_so_is_one_of_the_panel(olgas: Client) -> None:
    run = rows.failed_run()
    answer = olgas.get(reverse("admin:jobs_run_deal", args=[run.pk]))
    assert answer.status_code == 405
    assert reverse("admin:jobs_run_change", args=[run.pk]) in answer.content.decode()


def test_a_program_gets_json(alices: Client, song: Song) -> None:
    answer = alices.post(f"/songs/{song.pk}.json")
    assert (answer.status_code, answer["Content-Type"]) == (405, "application/json")
    answer = alices.get(f"/songs/{song.pk}/rename", headers={"Accept": "application/json"})
    assert "Nothing was done." in answer.json()["error"]


def test_pages_are_told_from_what_answers_no_get(song: Song) -> None:
    assert is_page("/songs/")
    assert is_page(reverse("song", args=[song.pk]))
    assert is_page(reverse("admin:index"))
    for none in (reverse("song-rename", args=[song.pk]), "/admin/no/such", "/no/such", "", "//x/"):
        assert not is_page(none)


@pytest.mark.parametrize("address", ["/discover/feed.xml", "/favicon.ico", "/sitemap.xml"])
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_what_is_only_read_answers_no_other_method(
    client: Client, address: str, method: str
) -> None:
    answer = getattr(client, method)(address)
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")
    assert client.get(address).status_code in (200, 302)
