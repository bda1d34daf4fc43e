"""A listener leaves: whatever the site has of the listener goes, and what is counted stays.

Listeners of these tests have a canary in their name, address, titles and wishes; then every row of
every table and every file is looked through for it.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Sum
from django.test import Client

from jobs.api import rerun
from jobs.execution.executor import execute
from jobs.fetch import gateway
from jobs.models import Attempt, Run, Step
from jobs.runs.claiming import claim_due
from jobs.testing import drain, travel
from songs import credits, downloads, ledger_check
from songs.deletion import delete_song
from songs.leaving import close_account
from songs.models import Category, CreditEntry, EntryKind, Song, User
from tests.songs.making import (
    FN,
    LATER,
    REPLY,
    endpoint,
    made,
    order,
    replies,
    run_of,
    says_json,
    to_the_end,
)
from tests.support.canary import rows
from tests.support.cast import PASSWORD, a_song
from tests.support.commit_boundaries import (
    Cluster,
    a_minute_later,
    deaths,
    forget_everything,
)
from tests.support.hostile_endpoint import answer

pytestmark = pytest.mark.django_db
NAME = "zebrafink"
WISH = f"a waltz for {NAME} and two cats"


@pytest.fixture
def zoe(db) -> User:
    return a_leaver()


def a_leaver(name: str = NAME) -> User:
    user = User.objects.create_user(
        name, f"{name}@example.com", PASSWORD, first_name=name.title(), last_name=f"von {name}"
    )
    credits.grant(user, 5, why=f"for {name}'s birthday")
    return user


def holding(word: str = NAME) -> set[str]:
    """The tables that hold the word, and the files, by name or by content."""
    tables = {table for table, row in rows() if word in row.lower()}
    return tables | {name for name, content in files() if word in name or word.encode() in content}


def files() -> list[tuple[str, bytes]]:
    found = [path for path in Path(default_storage.location).rglob("*") if path.is_file()]
    return [(path.name, path.read_bytes()) for path in found]


def keep(song: Song) -> None:
    for key in (song.s3_key, song.thumbnail_s3_key):
        default_storage.save(key, ContentFile(f"{NAME} sings".encode()))


def a_life(settings: Any, user: User, olga: User) -> None:
    """A song that came, one that failed and came by another try, and operators who had to do with
    it."""
    named = replies(categories=[f"{NAME} waltz"])
    with endpoint(settings, named, answer(f"no {NAME} here".encode(), 422), replies()):
        came = made(user, description=WISH)
        failed = made(user, description=f"{WISH}, again")
    keep(came)
    credits.refund(came, why=f"“{came.title}” was too loud", by=olga)
    for thing, words in ((user, f"Granted +5 credits: for {NAME}"), (came, f"Gave 1: {came}")):
        LogEntry.objects.create(
            user=olga,
            content_type=ContentType.objects.get_for_model(type(thing)),
            object_id=str(thing.pk),
            object_repr=str(thing),
            action_flag=CHANGE,
            change_message=words,
        )
    assert failed.status == "failed"


def counts() -> dict[str, Any]:
    """What is to stay as it is."""
    songs = Run.objects.filter(fn_id__startswith=FN)
    return {
        "runs": Counter(songs.values_list("fn_id", "status")),
        "steps": Step.objects.filter(run__in=songs).count(),
        "attempts": Attempt.objects.filter(run__in=songs).count(),
        "acts": LogEntry.objects.count(),
        "ledger": Counter(
            CreditEntry.objects.exclude(kind=EntryKind.CLOSED).values_list("kind", "amount")
        ),
    }


# --- the law --------------------------------------------------------------------------------------


def test_after_the_closing_no_row_and_no_file_has_a_word_of_the_listener(settings, zoe, olga):
    a_life(settings, zoe, olga)
    client = Client()
    client.force_login(zoe)
    downloads.order(zoe)
    drain()
    said = {"songs_user", "songs_song", "songs_category", "songs_creditentry", "django_admin_log"}
    assert holding() >= said | {"jobs_step", "jobs_fetch", REPLY["s3_key"]}
    before = counts()

    close_account(zoe)
    drain()
    assert holding() == set()
    assert counts() == before
    assert not User.objects.filter(pk=zoe.pk).exists()
    assert not Session.objects.filter(pk=client.session.session_key).exists()
    assert files() == []


def test_the_ledger_is_kept_and_its_sums_hold(settings, zoe, olga, alice):
    a_life(settings, zoe, olga)
    entries = CreditEntry.objects.filter(user=zoe)
    figures = list(entries.order_by("pk").values_list("pk", "amount", "balance", "kind", "at"))
    others, left = credits.available(alice), User.objects.get(pk=zoe.pk).credits

    close_account(zoe)
    kept = CreditEntry.objects.filter(user=None)
    stay = kept.order_by("pk").values_list("pk", "amount", "balance", "kind", "at")
    assert list(stay)[:-1] == figures
    last = kept.latest("pk")
    assert (last.kind, last.amount, last.balance) == (EntryKind.CLOSED, -left, 0)
    assert kept.aggregate(sum=Sum("amount"))["sum"] == 0
    assert len(set(kept.values_list("former", flat=True))) == 1
    found = ledger_check.check()
    assert (found.is_right, found.outstanding, found.entries) == (True, others, len(stay) + 1)


def test_a_former_account_whose_entries_do_not_sum_to_zero_is_wrong(zoe):
    close_account(zoe)
    CreditEntry.objects.filter(kind=EntryKind.CLOSED).update(amount=-4)
    found = ledger_check.check()
    assert (found.is_right, found.wrong, found.examples) == (False, 1, [])


def test_other_listeners_keep_everything(settings, zoe, olga, alice):
    with endpoint(settings, replies()):
        song = made(alice)
    keep(song)
    a_song(zoe)
    close_account(zoe)
    drain()
    song.refresh_from_db()
    assert (song.title, song.status) == ("A waltz for two cats", "processed")
    assert Step.objects.get(run=run_of(song), name="check-credits").output["credits"] == 3
    assert default_storage.exists(song.s3_key)
    assert set(song.categories.values_list("name", flat=True)) == set(REPLY["categories"])


def test_a_second_closing_finds_no_account_and_changes_nothing(zoe):
    close_account(zoe)
    entries = CreditEntry.objects.count()
    with pytest.raises(User.DoesNotExist):
        close_account(zoe)
    assert CreditEntry.objects.count() == entries


def test_a_closing_that_is_rolled_back_has_done_nothing(settings, zoe, olga):
    a_life(settings, zoe, olga)
    before = holding()
    with transaction.atomic():
        close_account(zoe)
        transaction.set_rollback(True)
    drain()
    assert holding() == before
    assert User.objects.get(pk=zoe.pk).is_active


@pytest.mark.parametrize(
    ("name", "reason", "is_named"),
    [
        ("zebrafink", "for Zebrafink's birthday", True),
        ("al", "for Al", True),
        ("al", "for all of them", False),
        ("zebrafink", "the night of 3 May", False),
    ],
)
def test_a_reason_goes_if_it_names_the_listener_and_else_stays(olga, name, reason, is_named):
    user = User.objects.create_user(name)
    credits.grant(user, 1, why=reason, by=olga)
    LogEntry.objects.log_actions(olga.pk, [user], CHANGE, change_message=f"Granted: {reason}")
    close_account(user)
    entry, line = CreditEntry.objects.exclude(why="", kind="closed").get(), LogEntry.objects.get()
    assert entry.why == ("" if is_named else reason)
    assert line.change_message == ("Granted." if is_named else f"Granted: {reason}")


# --- what is in flight ----------------------------------------------------------------------------


def begin_and_leave(user: User) -> Song:
    """The request for the song is on its way when the listener leaves."""
    song = order(user, WISH)
    for claimed in claim_due(10):
        execute(claimed)
    return song


def test_songs_in_the_making_are_cancelled_and_asked_for_no_more(settings, zoe):
    with endpoint(settings, replies()) as server:
        songs = [order(zoe, WISH) for _ in range(2)]
        close_account(zoe)
        to_the_end()
        assert server.heard == []
    assert {run_of(song).status for song in songs} == {"cancelled"}
    drain()
    assert holding() == set()


def test_the_files_of_an_answer_that_comes_late_are_removed(settings, zoe):
    with endpoint(settings, replies(categories=[NAME])):
        song = begin_and_leave(zoe)
        [request] = gateway.lease_requests(10)
        close_account(zoe)
        drain()
        default_storage.save(REPLY["s3_key"], ContentFile(b"la"))
        default_storage.save(REPLY["cover_image_s3_key"], ContentFile(b"la"))
        gateway.store_responses([(request, gateway.perform_now(request))])
        for _ in range(3):
            travel(LATER)
            drain()
    assert run_of(song).status == "cancelled"
    assert files() == []
    assert holding() == set()


def test_a_late_answer_that_names_anothers_file_leaves_it(settings, zoe, alice):
    other = a_song(alice, s3_key=REPLY["s3_key"])
    keep(other)
    with endpoint(settings, replies()):
        begin_and_leave(zoe)
        [request] = gateway.lease_requests(10)
        close_account(zoe)
        gateway.store_responses([(request, gateway.perform_now(request))])
        drain()
    assert default_storage.exists(other.s3_key)


def test_a_late_answer_that_is_no_song_is_forgotten_too(settings, zoe):
    with endpoint(settings, says_json({"error": NAME})):
        begin_and_leave(zoe)
        [request] = gateway.lease_requests(10)
        close_account(zoe)
        gateway.store_responses([(request, gateway.perform_now(request))])
        drain()
    assert holding() == set()


def test_an_operators_retry_of_a_cancelled_song_makes_none(settings, zoe):
    with endpoint(settings, replies()):
        song = order(zoe, WISH)
        close_account(zoe)
        run = run_of(song)
        rerun(run.id, from_start=True)
        for _ in range(3):
            drain()
            travel(LATER)
    assert not Song.objects.exists()
    assert holding() == set()


def test_a_store_that_is_down_keeps_neither_files_nor_words_for_ever(settings, zoe, olga):
    a_life(settings, zoe, olga)
    up = settings.STORAGES
    down = {"default": {"BACKEND": "django.core.files.storage.Storage"}}
    settings.STORAGES = up | down
    close_account(zoe)
    drain()
    tables = {table for table, row in rows() if NAME in row.lower()}
    assert tables == set()  # words do not wait for files
    settings.STORAGES = up
    assert len(files()) == 2
    travel(timedelta(days=1))
    drain()
    assert files() == []


# --- one song -------------------------------------------------------------------------------------


def test_a_deleted_songs_words_are_gone_from_every_table(settings, olga, alice):
    with endpoint(settings, replies(categories=[NAME])):
        song = made(alice, description=WISH)
    keep(song)
    credits.refund(song, why=f"“{song}” was too loud", by=olga)
    assert holding() >= {"songs_song", "jobs_step", "jobs_fetch", "songs_creditentry"}
    before = counts()
    assert delete_song(song)
    drain()
    assert holding() == set()
    assert counts() == before
    assert [e.why for e in alice.credit_entries.filter(song=None).order_by("pk")] == [
        "for the test",
        "",
        "",
    ]


def test_a_category_goes_with_its_last_song(settings, alice, bob):
    with endpoint(settings, replies(categories=["Both", "Hers"]), replies(categories=["Both"])):
        hers, _his = made(alice), made(bob)
    delete_song(hers)
    drain()
    assert set(Category.objects.values_list("name", flat=True)) == {"Both"}


# --- staff ----------------------------------------------------------------------------------------


def test_staff_are_closed_and_stripped_and_the_history_keeps_their_acts(settings, olga, alice):
    helper = User.objects.create_superuser("gus", f"{NAME}@example.com", PASSWORD, first_name=NAME)
    LogEntry.objects.log_actions(helper.pk, [alice], CHANGE, change_message="did it")
    a_song(helper, WISH)
    downloads.order(helper)
    close_account(helper, by=olga)
    drain()
    helper.refresh_from_db()
    assert (helper.username, helper.email, helper.is_active) == ("gus", "", False)
    assert (helper.is_staff, helper.is_superuser) == (False, False)
    assert not helper.has_usable_password()
    assert LogEntry.objects.get(user=helper).change_message == "did it"
    assert not helper.songs.exists()
    assert not helper.downloads.exists()
    assert holding() == set()


# --- whatever dies --------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_whatever_dies_after_the_closing_it_ends_the_same(settings, before):
    """One song has come, one is in the making, a download is there; then the listener leaves."""
    lives = iter(range(1_000))

    def begin() -> None:
        forget_everything()
        zoe = a_leaver(f"{NAME}{next(lives)}")
        server.heard.clear()
        song = order(zoe, WISH)
        assert Cluster().work()
        song.refresh_from_db()
        keep(song)
        order(zoe, f"{WISH}, again")
        close_account(zoe)

    def ended() -> dict[str, Any]:
        assert holding() == set()
        assert files() == []
        assert not Song.objects.exists()
        assert ledger_check.check().is_right
        runs = Run.objects.exclude(fn_id__in=["check-ledger", "remove-downloads", "jobs-retention"])
        return {"runs": Counter(runs.values_list("fn_id", "status"))}

    with endpoint(settings, replies()) as server:
        begin()
        cluster = Cluster()
        assert a_minute_later(cluster)
        whole = ended()
        assert whole["runs"]["forget-songs", "completed"] == 1
        died_at = []
        for dead in deaths(begin, cluster.boundaries(before=before)):
            assert a_minute_later(Cluster())
            assert ended() == whole
            died_at.append(dead.commits[-1])
    assert len(died_at) >= 15
    assert "forgetting.round_of" in died_at
