"""The page of credit balances, the ledger and the card: what they show, what they search, how many
statements they cost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from jobs.metrics.spans import SPANS
from songs import credits, ledger_check
from songs.admin import cards
from songs.models import LedgerCheck, Song, SongStatus, User
from tests.songs.conftest import as_
from tests.support import rows
from tests.support.cast import a_song, listener, staff

pytestmark = pytest.mark.django_db
BALANCES, LEDGER = "/admin/songs/creditbalance/", "/admin/songs/creditentry/"
SONGS, USERS = "/admin/songs/song/", "/admin/songs/user/"
MAX_QUERIES = 15


def shown(client: Client, address: str, **query: str) -> str:
    answer = client.get(address, query)
    assert answer.status_code == 200, answer
    return answer.content.decode()


def row_of(page: str, name: str) -> str:
    """The row of a list that names a listener."""
    return next(row for row in page.split("<tr>") if f"<bdi>{name}</bdi>" in row)


def test_a_balance_shows_what_is_held_the_last_entry_and_the_songs_made(
    olgas: Client, alice: User
) -> None:
    a_song(alice)
    a_song(alice, status=SongStatus.QUEUED)
    credits.grant(alice, 5, why="the broken night")
    row = row_of(shown(olgas, BALANCES), "alice")
    assert '<td class="field-balance"><span class="song-figure">8</span></td>' in row
    assert '<td class="field-held">1</td>' in row
    assert "the broken night" in row
    assert f'?owner__id__exact={alice.pk}">1</a>' in row
    assert f"/admin/songs/user/{alice.pk}/grant-credits/" in row


def test_balances_are_in_order(olgas: Client) -> None:
    for name, credits_ in (("ann", 5), ("ben", 50), ("cas", 1)):
        listener(name, credits_=credits_)
    page = shown(olgas, BALANCES)
    assert page.index(">ben<") < page.index(">ann<") < page.index(">cas<")
    page = shown(olgas, BALANCES, order="least")
    assert page.index(">cas<") < page.index(">ann<") < page.index(">ben<")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"balance": "none"}, {"penny", "olga"}),
        ({"balance": "some"}, {"alice", "bob"}),
        ({"balance": "held"}, {"bob"}),
        ({"q": "ALI"}, {"alice"}),
        ({"q": "bob@exa"}, {"bob"}),
        ({"q": "lice"}, set()),
        ({"q": "%"}, set()),
        ({"q": "9" * 40}, set()),
    ],
)
def test_balances_are_filtered_and_searched(
    olgas: Client, alice: User, bob: User, penny: User, asked: dict[str, str], found: set[str]
) -> None:
    a_song(bob, status=SongStatus.QUEUED)
    page = shown(olgas, BALANCES, **asked)
    assert {name for name in ("alice", "bob", "penny", "olga") if f"<bdi>{name}<" in page} == found


def test_an_account_is_found_by_its_number(olgas: Client, alice: User, bob: User) -> None:
    page = shown(olgas, BALANCES, q=str(bob.pk))
    assert "<bdi>bob<" in page
    assert "<bdi>alice<" not in page


@pytest.mark.parametrize("span", ["15m", "1h", "24h", "7d"])
def test_the_totals_of_a_span_stand_above_the_balances(
    olgas: Client, alice: User, span: str
) -> None:
    credits.charge(a_song(alice))
    page = shown(olgas, BALANCES, span=span)
    assert "<small>Charged for songs</small><b>1</b>" in page
    assert f'href="?span={span}" aria-current="page"' in page


def test_a_span_that_is_none_is_a_sentence(olgas: Client) -> None:
    assert "There is no span “<b>x”." not in shown(olgas, BALANCES, span="<b>x")
    assert "There is no span “&lt;b&gt;x”. 15m, 1h" in shown(olgas, BALANCES, span="<b>x")


def test_the_check_is_green_red_or_not_there_yet(olgas: Client, alice: User) -> None:
    assert "The ledger has not been checked yet." in shown(olgas, BALANCES)
    answer = olgas.post(f"{BALANCES}check/", follow=True)
    assert 'jobs-completed">All 1 entries sum to all balances' in answer.content.decode()
    User.objects.filter(pk=alice.pk).update(credits=9)
    ledger_check.check()
    page = shown(olgas, BALANCES)
    assert 'jobs-failed">All 1 entries sum to 3 credits, and all balances to 9' in page
    assert f'<a href="/admin/songs/user/{alice.pk}/change/">{alice.pk}</a>' in page


def test_a_check_is_a_post(olgas: Client) -> None:
    assert olgas.get(f"{BALANCES}check/").status_code == 405
    assert not LedgerCheck.objects.exists()


def test_a_balance_leads_to_the_listeners_page(olgas: Client, alice: User) -> None:
    answer = olgas.get(f"{BALANCES}{alice.pk}/change/")
    assert answer["Location"] == f"{USERS}{alice.pk}/change/"
    assert olgas.get(f"{BALANCES}nobody/change/").status_code == 404


# --- the ledger ---


def test_an_entry_shows_its_balance_its_song_and_its_run(olgas: Client, alice: User) -> None:
    run = rows.completed_run()
    song = a_song(alice, event_id=run.event_id)
    credits.charge(song)
    page = shown(olgas, LEDGER)
    row = next(row for row in page.split("<tr>") if "−1" in row)
    assert '<td class="field-balance_after">2</td>' in row
    assert f"/admin/songs/song/{song.pk}/change/" in row
    assert f"/admin/jobs/run/{run.pk}/change/" in row


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"kind__exact": "refund"}, {"the refund"}),
        ({"q": "bob"}, {"for bob"}),
        ({"q": "the ref"}, {"the refund"}),
        ({"q": "{song}"}, {"the refund"}),
        ({"since": "hour"}, {"the refund", "for bob"}),
        ({"since": "nonsense"}, {"the refund", "for bob"}),
        ({"user__id__exact": "{bob}"}, {"for bob"}),
    ],
)
def test_the_ledger_is_filtered_and_searched(
    olgas: Client, alice: User, bob: User, asked: dict[str, str], found: set[str]
) -> None:
    song = a_song(alice)
    credits.refund(song, why="the refund", by=None)
    credits.grant(bob, 1, why="for bob")
    known = {"song": song.pk, "bob": bob.pk}
    page = shown(olgas, LEDGER, **{name: text.format(**known) for name, text in asked.items()})
    assert {why for why in ("the refund", "for bob") if why in page} == found


# --- songs ---


@pytest.mark.parametrize(
    ("words", "is_found"),
    [
        ("waltz", True),
        ("two WAL", True),
        ("waltz march", False),
        ("altz", False),
        ("alice@example.com", True),
        ("ali", True),
        ("bob", False),
        ("'); DROP", False),
        ("💥 ' & | ! :* (", False),
        ("w" * 10_000, False),
    ],
)
def test_a_song_is_found_by_the_words_of_its_title_or_its_listener(
    olgas: Client, alice: User, bob: User, words: str, is_found: bool
) -> None:
    a_song(alice)
    assert ("A waltz for two cats" in shown(olgas, SONGS, q=words)) == is_found


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"charge": "charge"}, {"Charged one"}),
        ({"charge": "refund"}, {"Refunded one"}),
        ({"charge": "none"}, {"Charged one", "Refunded one"}),
        ({"status__exact": "failed"}, {"Refunded one"}),
        ({"since": "hour"}, {"Charged one", "Refunded one"}),
    ],
)
def test_songs_are_filtered(
    olgas: Client, alice: User, asked: dict[str, str], found: set[str]
) -> None:
    credits.charge(a_song(alice, title="Charged one"))
    refunded = a_song(alice, title="Refunded one", status=SongStatus.FAILED)
    credits.refund(refunded, why="x", by=None)
    page = shown(olgas, SONGS, **asked)
    assert {title for title in ("Charged one", "Refunded one") if title in page} == found


def test_songs_of_which_one_is_being_made_say_so_when_they_are_to_be_deleted(
    olgas: Client, alice: User
) -> None:
    songs = [a_song(alice), a_song(alice, "a march", status=SongStatus.QUEUED)]
    chosen = {"action": "delete_selected", "_selected_action": [str(song.pk) for song in songs]}
    page = olgas.post(SONGS, chosen).content.decode()
    assert "“A march” is being made. Delete it afterwards." in page
    assert "doesn't have permission" not in page


# --- what it costs ---


def a_listener_with_a_song(number: int) -> None:
    run = rows.completed_run()
    user = listener(f"listener-{number}")
    credits.charge(a_song(user, event_id=run.event_id))
    a_song(user, status=SongStatus.FAILED, event_id=rows.failed_run().event_id)


PAGES: dict[str, Callable[[User, Song], str]] = {
    "balances": lambda user, song: BALANCES,
    "ledger": lambda user, song: LEDGER,
    "songs": lambda user, song: SONGS,
    "songs that are searched": lambda user, song: f"{SONGS}?q=waltz",
    "accounts": lambda user, song: USERS,
    "a listener": lambda user, song: f"{USERS}{user.pk}/change/",
    "a song": lambda user, song: f"{SONGS}{song.pk}/change/",
}


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("viewer", ["superuser", "staff"])
def test_a_page_costs_the_same_few_statements_with_one_row_and_with_fifty(
    olgas: Client, name: str, viewer: str
) -> None:
    rights = ("view_user", "view_song", "view_creditentry", "grant_credits", "make_again_song")
    client = olgas if viewer == "superuser" else as_(staff("sam", *rights, "view_run"))
    a_listener_with_a_song(0)
    user = User.objects.get(username="listener-0")
    address = PAGES[name](user, user.songs.latest("created_at"))

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(address).status_code == 200
        return len(captured)

    client.get(address)  # content types are remembered
    first = queries()
    for number in range(1, 50):
        a_listener_with_a_song(number)
    for _ in range(50):
        credits.charge(a_song(user, event_id=rows.completed_run().event_id))
    a_song(user, status=SongStatus.FAILED, event_id=rows.failed_run().event_id)
    assert queries() == first <= MAX_QUERIES


# --- the card ---


def card_for(user: User) -> str:
    request = RequestFactory().get("/admin/")
    request.user = user
    return cards.credits(request, SPANS["1h"])


def test_the_card_tells_what_moved_and_whether_the_ledger_is_right(olga: User, alice: User) -> None:
    credits.charge(a_song(alice))
    ledger_check.check()
    card = card_for(olga)
    assert "<small>Charged for songs</small><b>1</b>" in card
    assert "All 2 entries sum to all balances: 2 credits." in card
    assert BALANCES in card


def test_the_card_costs_two_statements_with_any_history(olga: User, alice: User) -> None:
    ledger_check.check()
    for _ in range(2):
        with CaptureQueriesContext(connection) as captured:
            card_for(olga)
        assert len(captured) == 2
        credits.charge(a_song(alice))


def test_the_card_is_empty_for_an_account_that_may_not_see_the_ledger(alice: User) -> None:
    assert card_for(staff("viewer", "view_run")) == ""
    assert BALANCES not in card_for(staff("clerk", "view_creditentry"))
