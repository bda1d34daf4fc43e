"""How many requests one cluster has in flight, in all and to one host, and who goes first."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs import conf
from jobs.api import Context
from jobs.execution.executor import execute
from jobs.fetch import gateway
from jobs.fetch.gateway import Gateway
from jobs.fetch.outbox import CompletedRequest, LeasedRequest, lease_requests, release
from jobs.fetch.worker_pool import NoWorkerPool
from jobs.models import Fetch, Run
from jobs.platform.http.exchange import RequestOutcome
from jobs.platform.postgres import statements
from jobs.runs.claiming import claim_due
from tests.support.explain import explained
from tests.support.functions import go, registered
from tests.support.hostile_endpoint import PATIENCE, Adversary, allow, answer, silent

pytestmark = pytest.mark.cluster

HOSTS = ["a.test", "b.test:8080", "c.test"]
MANY = 100_000
MAX_PAGES = 100  # of a look at a hundred thousand pending requests

# Requests by the thousand, all of one run.
PILE = """
INSERT INTO jobs_fetch (id, run_id, step_name, method, url, headers, body, timeout,
                        idempotency_key, result_url, status, attempt, created_at)
SELECT gen_random_uuid(), %s, 'call ' || n, 'POST', 'https://' || (%s::text[])[1 + n %% %s],
       '{}', '{}', 60, 'key', '', 'pending', 0, now()
  FROM generate_series(1, %s) n
"""


def asks(ctx: Context) -> None:
    ctx.step.fetch("call", ctx.event.data["url"])


@pytest.fixture
def function(settings) -> Iterator[None]:
    settings.JOBS = settings.JOBS | {"ALLOWED_HOSTS": HOSTS}
    with registered(asks):
        yield


def send(*urls: str) -> None:
    """Pending requests, in this order."""
    for url in urls:
        go({"url": url})
        for claimed in claim_due(1):
            execute(claimed)


def hosts(leased_requests: list[LeasedRequest]) -> Counter[str]:
    return Counter(leased_request.host for leased_request in leased_requests)


# --- who goes first -------------------------------------------------------------------------------


@pytest.mark.django_db
def test_hosts_take_turns_whichever_was_there_first(function):
    send(*["https://a.test/x"] * 6, *["http://B.test:8080?x"] * 2, "https://c.test#x")

    assert hosts(lease_requests(5)) == {"a.test": 2, "b.test:8080": 2, "c.test": 1}
    assert hosts(lease_requests(5)) == {"a.test": 4}
    assert not Fetch.objects.filter(status="pending").exists()


@pytest.mark.django_db
def test_the_host_with_the_fewest_in_flight_goes_first(function):
    send(*["https://a.test/"] * 4, *["https://c.test/"] * 4)

    assert hosts(lease_requests(1, in_flight={"a.test": 1})) == {"c.test": 1}
    assert hosts(lease_requests(4, in_flight={"a.test": 1, "c.test": 4})) == {"a.test": 4}


@pytest.mark.django_db
def test_of_one_hosts_requests_the_oldest_go_first(function):
    send(*[f"https://a.test/{n}" for n in range(5)])
    urls = [
        sorted(leased_request.request.url for leased_request in lease_requests(2)) for _ in range(3)
    ]

    assert urls == [[f"https://a.test/{n}" for n in pair] for pair in ([0, 1], [2, 3], [4])]


@pytest.mark.django_db
def test_a_host_at_its_limit_is_passed_by(function):
    send(*["https://a.test/"] * 9, "https://c.test/")

    assert hosts(lease_requests(9, per_host=3, in_flight={"a.test": 1})) == {
        "a.test": 2,
        "c.test": 1,
    }
    assert lease_requests(9, per_host=3, in_flight={"a.test": 3, "c.test": 1}) == []
    assert lease_requests(9, per_host=3, in_flight={"a.test": 4}) == []


@pytest.mark.django_db
def test_a_host_that_is_not_allowed_any_more_waits_for_nothing(function, settings):
    send("https://a.test/")
    settings.JOBS = settings.JOBS | {"ALLOWED_HOSTS": []}

    assert hosts(lease_requests(1)) == {"a.test": 1}


@pytest.mark.django_db
def test_a_hundred_thousand_that_wait_cost_a_look_nothing(function):
    send("https://a.test/")
    with connection.cursor() as cursor:
        cursor.execute(PILE, [Run.objects.get().id, HOSTS, len(HOSTS), MANY])
    with explained() as seen:
        assert lease_requests(1, per_host=5, in_flight=dict.fromkeys(HOSTS, 5)) == []
        assert hosts(lease_requests(2, per_host=5, in_flight={"a.test": 5})) == {
            "b.test:8080": 1,
            "c.test": 1,
        }
    assert len(seen.pages) == 1
    for statement, pages in seen.pages.items():
        assert pages <= MAX_PAGES, seen.story(statement)
        assert not seen.scanned(statement, ("jobs_fetch",)), seen.story(statement)


# --- the gateway ----------------------------------------------------------------------------------


class Rounds:
    """A gateway whose rounds are gone here, one by one."""

    def __init__(self, workers: NoWorkerPool | None = None) -> None:
        self.gateway = Gateway(workers=workers)

    def go(self) -> None:
        self.gateway._round(sending=True)

    def answer(self, leased_request: LeasedRequest, **head: int) -> None:
        self.gateway._post((leased_request, RequestOutcome(head=head)))

    def go_until(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not is_so():
            assert time.monotonic() < deadline
            self.go()

    @property
    def in_flight(self) -> list[LeasedRequest]:
        return list(self.gateway._in_flight.values())


@pytest.mark.django_db(transaction=True)
def test_while_one_host_does_not_answer_the_others_do(settings):
    with Adversary(silent) as stuck, Adversary(answer()) as well, registered(asks):
        allow(settings, stuck, well)
        settings.JOBS = settings.JOBS | {"GATEWAY_LIMIT": 4, "GATEWAY_PER_HOST": 3}
        send(*[stuck.url] * 6, *[well.url] * 3)
        rounds = Rounds()
        rounds.go_until(lambda: Fetch.objects.filter(status="answered").count() == 3)

        assert hosts(rounds.in_flight) == {stuck.netloc: 3}
        assert set(Fetch.objects.filter(status="answered").values_list("url")) == {(well.url,)}
        assert Fetch.objects.filter(status="pending", url=stuck.url).count() == 3
        release(rounds.in_flight)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("limits", [{"GATEWAY_LIMIT": 2}, {"GATEWAY_PER_HOST": 2}])
def test_at_its_limit_it_looks_once_a_tick_and_at_once_when_one_is_answered(
    settings, monkeypatch, limits
):
    monkeypatch.setattr(gateway, "TICK", 1000.0)
    with Adversary(silent) as stuck, registered(asks):
        allow(settings, stuck)
        settings.JOBS = settings.JOBS | limits
        send(*[stuck.url] * 4)
        rounds = Rounds()
        rounds.go()
        while rounds.gateway._next_look_at == 0.0:  # a full batch: there may be more
            rounds.go()
        assert len(rounds.in_flight) == 2
        assert rounds.gateway._next_look_at > time.monotonic()  # sleeps until then, or until called

        rounds.gateway._post((rounds.in_flight[0], RequestOutcome(error={"message": "gone"})))
        rounds.go()
        assert len(rounds.in_flight) == 2
        assert Fetch.objects.filter(status="pending").count() == 1
        release(rounds.in_flight)


@pytest.mark.django_db(transaction=True)
def test_a_look_in_vain_is_one_statement():
    rounds = Rounds()
    statements.read_by_index()  # once for a connection
    with CaptureQueriesContext(connection) as asked:
        rounds.go()
    assert len(asked) == 1


@pytest.mark.django_db(transaction=True)
def test_a_request_costs_a_taking_and_a_landing(settings):
    with Adversary(answer()) as well, registered(asks):
        allow(settings, well)
        send(well.url)
        rounds = Rounds()
        rounds.gateway._renewed = time.monotonic()
        statements.read_by_index()
        with CaptureQueriesContext(connection) as asked:
            rounds.go_until(lambda: bool(rounds.in_flight))
            rounds.gateway._next_look_at = time.monotonic() + 1000
            rounds.go()
    assert len(asked) == 2
    assert Fetch.objects.get().status == "answered"


@pytest.fixture
def stored(monkeypatch) -> list[list[CompletedRequest]]:
    """The batches that the gateway stores."""
    batches: list[list[CompletedRequest]] = []

    def store(batch: list[CompletedRequest], *_: Any) -> tuple[list[Any], bool]:
        batches.append(batch)
        return [], False

    monkeypatch.setattr(gateway, "store_responses", store)
    return batches


@pytest.fixture
def in_flight(function) -> LeasedRequest:
    send("https://a.test/")
    (leased_request,) = lease_requests(1)
    return leased_request


def busy_workers(backlog_seconds: float = 0.0) -> NoWorkerPool:
    workers = NoWorkerPool()
    workers.is_busy, workers.backlog_seconds = True, backlog_seconds
    return workers


@pytest.mark.django_db
def test_none_is_lost_of_a_thousand_that_land_at_once(in_flight, stored):
    rounds = Rounds()
    rounds.gateway._hosts["a.test"] = 1000
    for n in range(1000):
        rounds.answer(in_flight, bytes=n)
    rounds.go()
    landed = [outcome.head["bytes"] for batch in stored for _, outcome in batch]
    assert landed == list(range(1000))


@pytest.mark.django_db
def test_while_the_workers_have_enough_to_do_answers_land_by_the_handful(
    in_flight, stored, monkeypatch
):
    monkeypatch.setattr(gateway, "ANSWER_WINDOW", 1000.0)
    workers = busy_workers()
    rounds = Rounds(workers)
    rounds.gateway._wrote = time.monotonic()
    for _ in range(2):
        rounds.answer(in_flight)
        rounds.go()
    assert stored == []

    workers.is_busy = False
    rounds.go()
    assert [len(batch) for batch in stored] == [2]


@pytest.mark.django_db
def test_the_more_answers_wait_for_the_workers_the_more_are_stored_together(
    in_flight, stored, monkeypatch
):
    """Half of what waits is left when the gateway stores the next: no worker runs out of work."""
    monkeypatch.setattr(gateway, "ANSWER_WINDOW", 0.0)
    monkeypatch.setattr(gateway, "MAX_WINDOW", 1000.0)
    rounds = Rounds(busy_workers(backlog_seconds=1000.0))
    rounds.gateway._wrote = time.monotonic()
    rounds.answer(in_flight)
    rounds.go()
    assert stored == []

    rounds.gateway._wrote -= 500.0
    rounds.go()
    assert [len(batch) for batch in stored] == [1]


@pytest.mark.django_db
def test_the_more_answers_wait_for_the_workers_the_more_requests_are_leased_together(
    function, monkeypatch
):
    looks: list[int] = []
    monkeypatch.setattr(gateway, "lease_requests", lambda room, *_: looks.append(room) or [])
    monkeypatch.setattr(gateway, "MAX_WINDOW", 0.3)
    workers = NoWorkerPool()
    rounds = Rounds(workers)

    def looks_at_a_ring_while(backlog_seconds: float) -> bool:
        workers.backlog_seconds = backlog_seconds
        rounds.gateway._looked = time.monotonic() - gateway.BATCH_WINDOW
        rounds.gateway._next_look_at = rounds.gateway._looked + gateway.TICK
        rounds.gateway.wake()
        before = len(looks)
        rounds.go()
        return len(looks) > before

    assert looks_at_a_ring_while(backlog_seconds=0.0)
    assert not looks_at_a_ring_while(backlog_seconds=1000.0)
    assert looks_at_a_ring_while(backlog_seconds=0.0)


# --- its settings ---------------------------------------------------------------------------------

UNUSABLE = [
    ("GATEWAY_LIMIT", 0, "a whole number of requests in flight is allowed, at least 1"),
    ("GATEWAY_LIMIT", -5, "at least 1"),
    ("GATEWAY_LIMIT", "many", "= 'many': a whole number"),
    ("GATEWAY_LIMIT", 1.5, "a whole number"),
    ("GATEWAY_LIMIT", True, "a whole number"),
    ("GATEWAY_PER_HOST", 0, "a whole number of requests in flight to one host is allowed"),
    ("GATEWAY_GRACE", -1, "a number of seconds from 0 to 31622400 (366 days) is allowed"),
    ("GATEWAY_GRACE", float("nan"), "a number of seconds"),
    ("LEASE", 0, "a number of seconds from 1 to 31622400 (366 days) is allowed"),
    ("LEASE", 9e9, "from 1 to 31622400"),
    ("RETENTION_BATCH", 0, "a whole number of rows"),
    ("RUN_OUTPUT_LIMIT", 0, "a whole number of bytes is allowed, at least 1"),
    ("PREPARE_STEPS", "no", "True or False is allowed"),
]


@pytest.mark.parametrize(("name", "value", "words"), UNUSABLE)
def test_a_setting_that_cannot_be_used_is_said_before_anything_starts(settings, name, value, words):
    settings.JOBS = settings.JOBS | {name: value}
    problems = [error for error in run_checks() if error.id == "jobs.E001"]

    assert len(problems) == 1
    assert f'JOBS["{name}"] = {value!r}: ' in problems[0].msg
    assert words in problems[0].msg


def test_a_cluster_with_a_limit_of_0_does_not_start(settings):
    settings.JOBS = settings.JOBS | {"GATEWAY_LIMIT": 0}
    with pytest.raises(SystemCheckError, match="a whole number of requests in flight"):
        call_command("qcluster", skip_checks=False)
    with pytest.raises(ImproperlyConfigured, match="a whole number of requests in flight"):
        Gateway()


@pytest.mark.parametrize(
    ("jobs", "share"),
    [
        ({}, 1000),
        ({"ALLOWED_HOSTS": ["a.test"], "GATEWAY_LIMIT": 50}, 50),
        ({"ALLOWED_HOSTS": ["a.test", "b.test"], "GATEWAY_LIMIT": 50}, 37),
        ({"ALLOWED_HOSTS": ["a.test", "b.test"], "GATEWAY_LIMIT": 1}, 1),
        ({"GATEWAY_LIMIT": 50, "GATEWAY_PER_HOST": 20}, 20),
        ({"GATEWAY_LIMIT": 50, "GATEWAY_PER_HOST": 80}, 50),
        ({"GATEWAY_LIMIT": 50, "GATEWAY_PER_HOST": None}, 50),
    ],
)
def test_one_host_gets_all_and_several_leave_room_for_each_other(settings, jobs: Any, share):
    settings.JOBS = jobs
    assert conf.gateway_per_host() == share
