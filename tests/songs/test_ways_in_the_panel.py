"""An account with few permissions is led nowhere that refuses it."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from songs.models import User
from songs.sharing import publishing
from tests.support import cast

pytestmark = pytest.mark.django_db
USERS, SONGS = "/admin/songs/user/", "/admin/songs/song/"
LINK = re.compile(r'<a[^>]* href="(/admin/[^"#]*)"')


def allowed(*permissions: str) -> Client:
    client = Client()
    client.force_login(cast.staff("sam", *permissions))
    return client


def refused(client: Client, page: str) -> set[str]:
    """The links of a page that lead to no page."""
    answer = client.get(page)
    assert answer.status_code == 200
    return {
        link
        for link in LINK.findall(answer.content.decode())
        if client.get(link).status_code in (403, 404)
    }


@pytest.mark.parametrize(
    "permissions",
    [
        ["add_user"],
        ["add_user", "change_user"],
        ["view_user"],
        ["change_user"],
        ["view_creditentry"],
        ["view_creditentry", "change_user"],
        ["take_down_song"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("page", ["/admin/", "/admin/tables/"])
def test_the_panels_first_pages_link_to_what_the_account_may_open(
    alice: User, permissions: list[str], page: str
) -> None:
    assert refused(allowed(*permissions), page) == set()


def test_accounts_are_made_by_those_that_may_change_them(alice: User) -> None:
    adder = allowed("add_user")
    answer = adder.get(f"{USERS}add/")
    assert answer.status_code == 403
    assert "You need the permission “Can change user”." in answer.content.decode()
    assert f"{USERS}add/" not in adder.get("/admin/tables/").content.decode()


def test_each_account_of_the_list_can_be_opened(alice: User, olga: User) -> None:
    changer = allowed("change_user")
    assert refused(changer, USERS) == set()
    page = changer.get(f"{USERS}{olga.pk}/change/?tab=access").content.decode()
    assert 'name="_save"' not in page


@pytest.mark.parametrize(
    ("permission", "page"),
    [
        ("delete_user", USERS + "{alice}/delete/"),
        ("grant_credits", USERS + "{alice}/grant-credits/"),
        ("grant_credits", SONGS + "{song}/refund/"),
        ("make_again_song", SONGS + "{failed}/again/"),
        ("take_down_song", "/admin/songs/publication/{song}/take-down/"),
    ],
)
def test_an_acts_page_leads_back_to_where_the_account_may_go(
    alice: User, permission: str, page: str
) -> None:
    song = cast.a_song(alice)
    failed = cast.a_song(alice, status="failed")
    publishing.publish(song, title="Elegy", byline="A")
    address = page.format(alice=alice.pk, song=song.pk, failed=failed.pk)
    assert refused(allowed(permission), address) == set()


def test_the_breadcrumbs_of_an_act_are_links_for_an_account_that_may_open_them(
    alice: User, olgas: Client
) -> None:
    page = olgas.get(f"{USERS}{alice.pk}/delete/").content.decode()
    assert f'<a href="{USERS}">Users</a>' in page
    assert f'<a href="{USERS}{alice.pk}/change/"><bdi>alice</bdi></a>' in page


def test_an_item_of_the_navigation_is_called_as_its_page_is(olgas: Client) -> None:
    page = olgas.get(USERS).content.decode()
    assert f'<li><a href="{USERS}" aria-current="page">Users</a></li>' in page
    assert "<h1>Users</h1>" in page
