"""LISTEN goes to a direct connection only; without one, a cluster looks more often."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, connections

from jobs import conf
from jobs.cluster import listener
from jobs.cluster.listener import BURST, EAGER, IDLE, IDLE_GAP, POLL, POLL_UNTOLD, Listener
from jobs.lib import settings_check
from jobs.platform.postgres import notifier
from jobs.platform.postgres.notifier import ANYTHING, GAP, RUN_DUE

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.needs_session("listens on its own session"),
]
SILENCE = {"NAME": "postgres"}
NOWHERE = {"HOST": "127.0.0.1", "PORT": "1"}


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stopped = Clock(1000.0)
    monkeypatch.setattr(listener, "time", stopped)
    return stopped


def exhausted(here: Listener) -> Listener:
    """After more words than are looked at one by one."""
    while here.may_look():
        pass
    return here


@pytest.fixture(autouse=True)
def has_told_nothing(monkeypatch) -> None:
    monkeypatch.setattr(notifier, "_notified", {})


@pytest.fixture
def pool(monkeypatch) -> None:
    """As the settings say it: connections go through a pool in transaction mode."""
    monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)


@pytest.fixture
def direct(monkeypatch, settings) -> Iterator[dict[str, Any]]:
    """A direct connection beside the pool; what is written into it changes where it leads."""
    there = {**connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS": False}
    monkeypatch.setitem(connections.settings, "listen", there)
    settings.JOBS = settings.JOBS | {"LISTEN": "listen"}
    connections["listen"].alias = "default"  # Django allows its tests no other one
    yield there
    connections["listen"].close()
    del connections["listen"]


def opened() -> Listener:
    found = Listener()
    assert found.open()
    return found


def statements_of(act: Any) -> list[str]:
    found: list[str] = []

    def look(execute: Any, sql: str, *rest: Any) -> Any:
        found.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(look):
        act()
    return found


def test_a_cluster_with_connections_of_its_own_listens_on_its_pushers():
    assert statements_of(opened) == ["LISTEN jobs"]
    assert opened().readers == [connection.connection.fileno()]
    assert opened().poll == POLL


def test_it_hears_others_and_not_itself(direct):
    here = opened()
    here.notify_others()
    notifier.notify_now(RUN_DUE, by="listen")
    notifier.notify_now(RUN_DUE, by="listen")
    connection.cursor().execute("SELECT 1")
    assert here.hear() == {RUN_DUE}


def test_what_it_has_heard_is_a_reason_to_look_once_more(monkeypatch, direct):
    monkeypatch.setattr(listener, "AGAIN", 0.0)
    here = opened()
    assert here.is_to_look_again()
    assert not here.is_to_look_again()
    notifier.notify_now(RUN_DUE, by="listen")
    connection.cursor().execute("SELECT 1")
    assert here.hear()
    assert here.is_to_look_again()


def test_of_many_words_the_first_are_looked_at_at_once_and_the_others_together(clock):
    here = opened()
    assert [here.may_look() for _ in range(BURST + 2)] == [True] * BURST + [False] * 2
    assert not here.is_to_look_again()

    clock.now += GAP
    assert here.is_to_look_again()
    assert not here.may_look()

    clock.now += GAP * BURST * 2
    assert here.is_to_look_again()
    assert [here.may_look() for _ in range(BURST + 1)] == [True] * BURST + [False]


def test_a_look_that_is_put_off_leaves_the_one_after_the_last_word(clock, direct):
    """A process that has just told does not tell of what it commits next."""
    here = exhausted(opened())
    clock.now += GAP / 2
    notifier.notify_now(ANYTHING, by="listen")
    connection.cursor().execute("SELECT 1")
    assert here.hear()
    assert not here.may_look()

    clock.now += GAP / 2
    assert here.is_to_look_again()
    clock.now += GAP
    assert here.is_to_look_again()


def told(here: Listener, word: str) -> set[str]:
    notifier.notify_now(word, by="listen")
    connection.cursor().execute("SELECT 1")
    return here.hear()


def test_a_cluster_that_is_told_too_often_looks_by_itself_and_senders_see_that(clock, direct):
    here = opened()
    assert told(here, RUN_DUE) == {RUN_DUE}
    exhausted(here)
    assert told(here, RUN_DUE) == set()
    assert told(here, ANYTHING) == {ANYTHING}

    waits: list[float] = []
    for _ in range(IDLE - 1):
        waits.append(here._own_look - clock.now)
        clock.now = here._own_look
        assert here.is_to_look_again()
        here.looked(has_found=False)
        assert told(here, RUN_DUE) == set()
    assert waits == pytest.approx([GAP] * EAGER + [IDLE_GAP] * (IDLE - 1 - EAGER))
    clock.now = here.next_look
    assert here.is_to_look_again()
    here.looked(has_found=False)
    assert here.is_to_look_again()  # for what was not told until now
    assert told(here, RUN_DUE) == {RUN_DUE}


def test_what_is_committed_right_after_its_last_look_by_itself_is_looked_for(
    clock, direct, monkeypatch
):
    monkeypatch.setattr(notifier, "time", clock)
    here = exhausted(opened())
    here._idle_looks = IDLE - 1
    clock.now += GAP
    assert here.is_to_look_again()
    notifier.notify(RUN_DUE, by="listen")  # finds the lock held, and is silent for GAP
    here.looked(has_found=False)
    assert here.is_to_look_again()
    clock.now += GAP / 2
    notifier.notify(RUN_DUE, by="listen")
    assert here.hear() == set()
    assert here.next_look < clock.now + 2 * GAP


def test_while_it_finds_runs_it_goes_on_looking_by_itself(clock, direct):
    here = exhausted(opened())
    for _ in range(3 * IDLE):
        clock.now += GAP
        assert here.is_to_look_again()
        here.looked(has_found=True)
    assert told(here, RUN_DUE) == set()


def test_a_cluster_without_room_wants_words_again(direct):
    here = opened()
    assert not here.want_words()
    while here.may_look():
        pass
    assert here.want_words()
    assert here.is_to_look_again()
    assert told(here, RUN_DUE) == {RUN_DUE}


def test_of_two_clusters_one_looks_by_itself(direct):
    one = Listener()
    one._alias = "listen"
    two = opened()
    exhausted(one)
    exhausted(two)
    assert not two.want_words()
    assert one.want_words()
    exhausted(two)
    assert two.want_words()


def test_through_a_pool_it_does_not_listen_and_looks_more_often(pool, caplog):
    with caplog.at_level("INFO"):
        assert statements_of(opened) == []
        here = opened()
        assert not here.open()
    assert (here.poll, here.readers, here.hear()) == (POLL_UNTOLD, [], set())
    assert "LISTEN is not possible: the cluster looks for due runs every 0.1 s" in caplog.text
    assert {record.levelname for record in caplog.records} == {"INFO"}


def test_through_a_pool_it_listens_on_the_direct_connection(pool, direct, caplog):
    assert not any("LISTEN" in sql for sql in statements_of(opened))
    here = opened()
    assert here.readers == [connections["listen"].connection.fileno()]
    assert here.poll == POLL
    here.notify_others()
    assert here.hear() == set()
    notifier.notify_now(ANYTHING)
    connections["listen"].cursor().execute("SELECT 1")
    assert here.hear() == {ANYTHING}
    assert caplog.text == ""


def test_a_direct_connection_to_another_database_is_said_and_the_cluster_looks_more_often(
    pool, direct, caplog, monkeypatch
):
    monkeypatch.setattr(listener, "ECHO", 0.0)
    direct.update(SILENCE)
    here = opened()
    assert (
        "what is told through the database “default” is not heard through “listen”" in caplog.text
    )
    assert (here.poll, here.readers) == (POLL_UNTOLD, [])
    assert not here.open()


def test_a_direct_connection_that_cannot_be_had_is_tried_again(pool, direct, caplog, monkeypatch):
    monkeypatch.setattr(listener, "RETRY_INTERVAL", 0.0)
    there = {name: direct[name] for name in NOWHERE}
    direct.update(NOWHERE)
    here = opened()
    assert "there is no connection to “listen”" in caplog.text
    assert here.poll == POLL_UNTOLD
    direct.update(there)
    assert here.open()
    assert here.poll == POLL


def test_a_direct_connection_that_is_lost_is_a_reason_to_look(pool, direct, caplog):
    here = opened()
    lost = connections["listen"].connection.info.backend_pid
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [lost])
    assert {ANYTHING} in [here.hear() for _ in range(3)]  # once more than the socket is read
    assert "there is no connection to “listen”" in caplog.text
    assert here.poll == POLL_UNTOLD


@pytest.mark.parametrize("name", ["nowhere", 7, "default"])
def test_a_name_that_is_no_direct_connection_is_refused_in_a_sentence(settings, pool, name):
    settings.JOBS = settings.JOBS | {"LISTEN": name}
    with pytest.raises(ImproperlyConfigured, match=r'^JOBS\["LISTEN"\] = '):
        conf.listen()
    assert [problem.id for problem in settings_check.check(None)] == ["jobs.E001"]
