"""Whatever order things come in, a wish is paid once, a song that can be played is paid, and no
page says “It cost you nothing” over a song that is coming.

Hypothesis lets a listener order, listen, try again and delete; operators cancel, rerun, pause
hooks, replay them and move credits; workers be slow, and clusters die at any commit. The endpoint
is a real server that answers as drawn. When all is over, a song is there if a run has kept one, or
else its status is that of its last run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from django.db.models import Count, Sum
from django.test import Client
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from jobs.api import InvalidTransition, cancel, pause, replay_skipped, rerun, resume
from jobs.execution.executor import execute
from jobs.fetch import gateway
from jobs.maintenance import sweeper
from jobs.models import FINISHED, UNFINISHED, RegisteredFunction, Run
from jobs.runs.claimed_run import Claim
from jobs.runs.claiming import claim_due
from jobs.testing import drain, travel
from songs import credits
from songs.generation import NoCreditsLeft
from songs.models import CHARGES, UNSUCCESSFUL, CreditEntry, Song, SongQuerySet, SongStatus, User
from tests.songs.making import FN, LATER, endpoint, order, replies
from tests.support.cast import listener
from tests.support.commit_boundaries import Boundary, Cluster, forget_everything
from tests.support.hostile_endpoint import Adversary, Peer, answer

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

HOOKS = [f"{FN}-{moment}" for moment in ("failure", "cancel", "retry")]
MANNERS = {"a song": replies(), "refused": answer(b"no", 422), "no song": answer(b"<html>")}
MAX_SONGS = 4
ENDLESS = 60
A_DAY = timedelta(days=1)
LAST_WORD = {
    "failed": SongStatus.FAILED,
    "cancelled": SongStatus.CANCELLED,
    "completed": SongStatus.NO_CREDITS,
}
# A commit at which a cluster dies, if it comes to it.
deaths = st.none() | st.builds(
    Boundary,
    st.sampled_from(["step_runner.attempt", "executor.complete"]),
    st.sampled_from([3, 1, 2, 4, 5]),
    st.booleans(),
)
anywhere = deaths | st.builds(Boundary, st.just(""), st.sampled_from(range(1, 20)), st.booleans())
manners = st.sampled_from(["a song", "a song", "refused", "no song"])


class Site(RuleBasedStateMachine):
    server: ClassVar[Adversary]
    replies: ClassVar[list[str]] = []

    @initialize(
        credits_=st.integers(2, 4), songs=st.integers(1, 2), reply=manners, dies_at=anywhere
    )
    def listener(self, credits_, songs, reply, dies_at):
        """With songs that have come to some end: there is something to quarrel over."""
        self.alice = listener("alice", credits_=credits_)
        self.browser = Client()
        self.browser.force_login(self.alice)
        self.hands: list[Claim] = []
        self.heard: set[Any] = set()
        for _ in range(songs):
            order(self.alice)
        self.a_cluster_works(reply, dies_at, one_by_one=False)

    def teardown(self):
        if not hasattr(self, "alice"):
            return
        try:
            self.everything_ends()
        finally:
            forget_everything()
            RegisteredFunction.objects.all().delete()
            for table in (CreditEntry, Song, User):
                table.objects.all().delete()

    # --- the listener -----------------------------------------------------------------------------

    @precondition(lambda self: Song.objects.count() < MAX_SONGS)
    @rule()
    def order(self):
        try:
            order(self.alice)
        except NoCreditsLeft:
            assert credits.available(self.alice) == 0

    @precondition(lambda self: unsuccessful().exists())
    @rule(data=st.data())
    def try_again(self, data):
        song = self.one(data, unsuccessful())
        coming, before = runs_of(song, *UNFINISHED), Song.objects.count()
        self.browser.post(f"/songs/{song.pk}/again")
        assert not (coming and Song.objects.count() > before)

    @precondition(lambda self: shown().exists())
    @rule(data=st.data())
    def listen(self, data):
        song = self.one(data, shown())
        if self.browser.get(f"/songs/{song.pk}.json").json()["audio_url"]:
            self.heard.add(song.wish)

    @precondition(lambda self: shown().exists())
    @rule(data=st.data())
    def delete(self, data):
        self.browser.post(f"/songs/{self.one(data, shown()).pk}/delete")

    @precondition(lambda self: Song.objects.exclude(deleted_at=None).exists())
    @rule(data=st.data())
    def undo(self, data):
        song = self.one(data, Song.objects.exclude(deleted_at=None))
        self.browser.post(f"/songs/{song.pk}/undo")

    @precondition(lambda self: shown().exists())
    @rule(data=st.data())
    def cancel_the_song(self, data):
        self.browser.post(f"/songs/{self.one(data, shown()).pk}/cancel")

    # --- operators --------------------------------------------------------------------------------

    @rule(data=st.data(), how=st.sampled_from([{}, {}, {"from_start": True}, {"edited": True}]))
    def run_again(self, data, how):
        run = self.one(data, Run.objects.filter(fn_id=FN, status__in=FINISHED, forgotten_at=None))
        if run is not None:
            how = {"data": run.event.data} if "edited" in how else how
            allowed(lambda: rerun(run.id, **how))

    @rule(data=st.data())
    def run_a_hook_again(self, data):
        run = self.one(
            data, Run.objects.filter(fn_id__in=HOOKS, status__in=FINISHED, forgotten_at=None)
        )
        if run is not None:
            rerun(run.id, from_start=True)

    @rule(data=st.data())
    def cancel(self, data):
        run = self.one(data, Run.objects.filter(fn_id=FN, status__in=UNFINISHED))
        if run is not None:
            cancel(run.id)

    @rule(hook=st.sampled_from(HOOKS), what=st.sampled_from(["pause", "stop", "resume", "replay"]))
    def switch(self, hook, what):
        if what in ("pause", "stop"):
            pause(hook, stop_running=what == "stop")
        else:
            resume(hook)
        if what == "replay":
            replay_skipped(hook)

    @rule(amount=st.sampled_from([-1, 1]))
    def move_credits(self, amount):
        try:
            credits.grant(self.alice, amount, why="for the test")
        except credits.NotEnoughCredits:
            assert amount < 0

    # --- clusters ---------------------------------------------------------------------------------

    @rule(limit=st.integers(1, 3))
    def take(self, limit):
        """Workers that may be slow."""
        self.hands += claim_due(limit, "worker")

    @precondition(lambda self: self.hands)
    @rule(data=st.data(), dies_at=deaths, one_by_one=st.booleans())
    def execute(self, data, dies_at, one_by_one):
        claimed = data.draw(st.sampled_from(self.hands))
        self.hands.remove(claimed)
        Cluster(dies_at, one_by_one=one_by_one).does(lambda: execute(claimed))

    @rule(reply=manners, dies_at=deaths)
    def fly(self, reply, dies_at):
        Site.replies.append(reply)
        leased_requests = gateway.lease_requests(10)
        completed = [
            (leased_request, gateway.perform_now(leased_request))
            for leased_request in leased_requests
        ]
        Site.replies.clear()
        if completed:
            Cluster(dies_at).does(lambda: gateway.store_responses(completed))

    @rule(reply=manners, dies_at=anywhere, one_by_one=st.booleans())
    def a_cluster_goes_on(self, reply, dies_at, one_by_one):
        self.a_cluster_works(reply, dies_at, one_by_one)

    def a_cluster_works(self, reply: str, dies_at: Boundary | None, one_by_one: bool) -> None:
        one_by_one |= dies_at is not None and dies_at.place == "step_runner.attempt"
        Site.replies.append(reply)
        Cluster(dies_at, one_by_one=one_by_one).work()
        Site.replies.clear()

    @rule()
    def time_passes(self):
        travel(LATER)
        sweeper.sweep()

    # --- what is so at every moment ---------------------------------------------------------------

    @invariant()
    def the_ledger_is_the_balance(self):
        self.alice.refresh_from_db()
        booked = self.alice.credit_entries.aggregate(sum=Sum("amount", default=0))["sum"]
        assert self.alice.credits == booked

    @invariant()
    def a_wish_is_charged_once_and_one_song_of_it_is_there(self):
        booked = CreditEntry.objects.filter(kind__in=CHARGES)
        assert booked.filter(wish=None).count() == 0
        for rows in (booked, Song.objects.processed()):
            times = rows.order_by().values("wish").annotate(times=Count("id"))
            assert all(row["times"] == 1 for row in times)

    @invariant()
    def what_is_there_and_what_was_heard_is_paid(self):
        booked = CreditEntry.objects.filter(kind__in=CHARGES)
        assert set(Song.objects.processed()) <= {entry.song for entry in booked}
        assert self.heard <= {entry.wish for entry in booked}

    @invariant()
    def no_page_gives_a_song_up_that_is_coming(self):
        for song in Song.objects.filter(deleted_at=None):
            if runs_of(song, *UNFINISHED):
                told = self.browser.get(f"/songs/{song.pk}.json").json()
                assert told["status"] in ("queued", "processing", "processed")
                assert "cost you nothing" not in told["reason"]

    # --- the end ----------------------------------------------------------------------------------

    def everything_ends(self):
        self.hands.clear()
        for hook in HOOKS:
            resume(hook)
        for look in range(ENDLESS):
            for hook in HOOKS:
                replay_skipped(hook)
            drain()
            if not Run.objects.unfinished().exists():
                break
            travel(LATER if look < ENDLESS / 2 else A_DAY)  # files are removed after a week
        assert not Run.objects.unfinished().exists()
        self.the_ledger_is_the_balance()
        self.a_wish_is_charged_once_and_one_song_of_it_is_there()
        self.what_is_there_and_what_was_heard_is_paid()
        for song in Song.objects.all():
            self.its_status_is_its_last_run_s(song)

    def its_status_is_its_last_run_s(self, song: Song) -> None:
        runs = runs_of(song, *FINISHED)
        if song.is_processed:
            kept = {"name": "update-song", "status": "completed"}
            assert any(run.steps.filter(**kept).exists() for run in runs)
        else:
            last = max(runs, key=lambda run: run.ended_at)
            assert song.status == LAST_WORD[last.status], [(r.status, r.ended_at) for r in runs]

    def one(self, data: Any, rows: Any) -> Any:
        """One of these rows, or None."""
        found = list(rows.order_by("pk"))
        return data.draw(st.sampled_from(found)) if found else None


def shown() -> SongQuerySet:
    """The songs that the listener has not deleted."""
    return Song.objects.filter(deleted_at=None)


def unsuccessful() -> SongQuerySet:
    return shown().filter(status__in=UNSUCCESSFUL)


def runs_of(song: Song, *statuses: str) -> list[Run]:
    """Whatever event they are of, an edited one too."""
    runs = Run.objects.filter(fn_id=FN, event__data__songId=str(song.pk))
    return list(runs.filter(status__in=statuses))


def allowed(act: Callable[[], Any]) -> None:
    """Do it, unless the engine refuses it in the state that the run is in."""
    with contextlib.suppress(InvalidTransition):
        act()


def as_drawn(peer: Peer) -> bool | None:
    return MANNERS[Site.replies[-1] if Site.replies else "a song"](peer)


def test_any_order_of_things_is_paid_once_and_told_as_it_is(settings):
    with endpoint(settings, as_drawn) as Site.server:
        run_state_machine_as_test(Site, settings=PROFILE)


PROFILE = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
