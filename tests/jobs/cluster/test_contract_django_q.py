"""What the engine leans on in django-q2. A release that changes it fails here first; a cluster that
would not work with it does not start, and says why."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Iterator
from typing import Any

import django_q
import pytest
from django.core.checks import Error, Warning, run_checks
from django.core.checks.registry import registry
from django.core.management import CommandError, call_command, get_commands, load_command_class
from django.core.management.base import SystemCheckError
from django.db import connection
from django_q import cluster as theirs
from django_q.conf import Conf
from django_q.status import Stat

from jobs.cluster import django_q_adapter, django_q_version, shared
from jobs.cluster.broker import RunBroker
from jobs.cluster.command import Command
from jobs.errors import JobsError
from jobs.platform.ipc import pipe_queue, process_tree, shared_state
from jobs.platform.postgres import notifier

pytestmark = pytest.mark.cluster


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch) -> Iterator[None]:
    monkeypatch.setattr(shared, "_shared", None)
    yield
    notifier.belong_to(None)


def sentinel(monkeypatch) -> django_q_adapter.EngineSentinel:
    """One that does nothing yet, and leaves this process's signals alone."""
    monkeypatch.setattr(theirs.signal, "signal", lambda *_: None)
    given = (shared_state.Event(), shared_state.Event(), uuid.uuid4())
    return django_q_adapter.EngineSentinel(*given, start=False)


def warnings() -> list[str]:
    return [message.msg for message in run_checks() if message.id == "jobs.W022"]


def test_the_installed_django_q2_is_the_tested_one():
    django_q_adapter.refuse_untested()
    assert warnings() == []


def test_manage_py_qcluster_is_the_engines_and_nothing_of_django_q2_is_patched():
    assert get_commands()["qcluster"] == "jobs"
    assert isinstance(load_command_class("jobs", "qcluster"), Command)
    for name in ("Sentinel", "Cluster", "get_mp_context"):
        assert getattr(theirs, name).__module__ == "django_q.cluster"
    assert theirs.Queue.__module__ == "django_q.queues"
    assert theirs.Event.__module__ == theirs.Value.__module__ == "multiprocessing.context"


def test_what_a_cluster_shares_is_made_by_its_sentinel(monkeypatch):
    with pytest.raises(JobsError, match="belongs to no cluster"):
        shared.of_this_cluster()
    made = sentinel(monkeypatch)
    assert shared.of_this_cluster() is made.shared
    assert made.shared.dispatch.free_slots > 0


def test_a_sentinel_has_no_queue_with_a_lock(monkeypatch):
    made = sentinel(monkeypatch)
    assert isinstance(made.task_queue, pipe_queue.LossyQueue)
    assert isinstance(made.result_queue, pipe_queue.ResultQueue)
    assert isinstance(made.event_out, shared_state.Event)


def test_each_process_of_a_cluster_is_forked_in_the_engines_way(monkeypatch):
    made = sentinel(monkeypatch)
    started: list[Any] = []
    monkeypatch.setattr(process_tree.Process, "start", lambda process: started.append(process))
    made.spawn_worker()
    made.spawn_pusher(), made.spawn_monitor()
    assert [type(process) for process in started] == [process_tree.Process] * 3
    assert made.pool == started[:1]
    assert isinstance(started[0].timer, shared_state.Value)
    assert [process.daemon for process in started] == [Conf.DAEMONIZE_WORKERS, True, True]


@pytest.mark.django_db(transaction=True)
def test_a_pusher_that_ends_ends_its_session(monkeypatch):
    """Its process stays for what is in flight."""
    sessions = []

    def pushes(*args: Any) -> None:
        connection.ensure_connection()
        sessions.append(connection.connection)

    monkeypatch.setattr(django_q_adapter, "pusher", pushes)
    django_q_adapter.push()
    assert sessions[0].closed


def test_a_worker_takes_its_queues_its_timer_and_its_timeout_in_this_order():
    given = list(inspect.signature(theirs.worker).parameters)
    assert given == ["task_queue", "result_queue", "timer", "timeout"]


def test_a_sentinel_asks_its_broker_for_these_and_no_more():
    asked = {"ping", "set_stat", "dequeue", "list_key"}
    assert all(hasattr(RunBroker, name) for name in asked - {"list_key"})
    assert "broker.ping()" in inspect.getsource(theirs.Sentinel.start)
    assert "broker.set_stat" in inspect.getsource(Stat.save)


# --- system checks --------------------------------------------------------------------------------


def with_check(monkeypatch: pytest.MonkeyPatch, check: Any) -> None:
    monkeypatch.setattr(check, "tags", (), raising=False)
    monkeypatch.setattr(registry, "registered_checks", {check})


def test_checks_of_a_cluster_leave_nothing_in_its_process(monkeypatch, capfd):
    seen = []

    def warns(app_configs: Any, **kwargs: Any) -> list[Warning]:
        seen.append(1)
        return [Warning("The cellar is damp.", id="test.W001")]

    with_check(monkeypatch, warns)
    Command().check()
    assert seen == []
    assert "The cellar is damp." in capfd.readouterr().err


def test_an_error_of_a_check_starts_no_cluster(monkeypatch):
    with_check(monkeypatch, lambda app_configs, **kwargs: [Error("x" * 100_000, id="test.E001")])
    with pytest.raises(SystemCheckError, match="x" * 1000):
        call_command("qcluster", skip_checks=False)


def test_a_check_that_breaks_off_starts_no_cluster_and_shows_its_traceback(monkeypatch, capfd):
    def breaks(app_configs: Any, **kwargs: Any) -> Any:
        raise RuntimeError("The lamp went out.")

    with_check(monkeypatch, breaks)
    with pytest.raises(CommandError, match="does not start: the system checks broke off"):
        call_command("qcluster", skip_checks=False)
    assert "The lamp went out." in capfd.readouterr().err


# --- another django-q2 ----------------------------------------------------------------------------


@pytest.mark.parametrize("version", [(2, 0, 0), (0, 9, 0)])
def test_an_untested_major_version_starts_no_cluster_and_says_so(version, monkeypatch):
    monkeypatch.setattr(django_q, "VERSION", version)
    installed = f"{version[0]}.{version[1]}"
    with pytest.raises(CommandError, match=f"does not start: django-q2 {installed} is installed"):
        call_command("qcluster", skip_checks=True)


def test_a_sentinel_that_lacks_what_is_used_starts_no_cluster_and_says_so(monkeypatch):
    class Other:
        def __init__(self, stop_event: Any, start_event: Any, cluster_id: Any) -> None:
            self.pool = []  # type: ignore[var-annotated]

    monkeypatch.setattr(django_q_adapter, "Sentinel", Other)
    with pytest.raises(CommandError, match="not so, broker, timeout, start, task_queue"):
        call_command("qcluster", skip_checks=True)


def test_an_untested_minor_version_is_a_warning(monkeypatch):
    monkeypatch.setattr(django_q, "VERSION", (1, 12, 0))
    django_q_adapter.refuse_untested()
    (said,) = warnings()
    assert said.startswith("django-q2 1.12 is not tested with the engine")
    assert django_q_version.IN_WORDS in said


def test_a_process_of_django_q2s_own_cluster_is_told_what_to_do(monkeypatch):
    """Where `django_q` comes before `jobs` in INSTALLED_APPS, say."""
    monkeypatch.setattr("multiprocessing.parent_process", lambda: object())
    with pytest.raises(JobsError, match="name “jobs” before “django_q” in INSTALLED_APPS"):
        RunBroker().ping()
