"""`python -m tests.postgres [way …] [what pytest takes]`: the engine's tests on other servers than
the wheel's, and with the other way to a server.

1. `direct`: Debian's PostgreSQL with its own default settings, JIT among them.
2. `pool`: the same server behind PgBouncer in transaction mode.
3. `oldest`: the oldest version that is promised.
4. `plain`: the wheel's server, the engine's statements by plain cursors (`JOBS["PIPELINE"]`).
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from melodymaker.embedded import DatabaseUnavailable
from melodymaker.embedded.programs import Programs
from tests.postgres import programs, servers

WAYS = ("direct", "pool", "oldest", "plain")
TESTS = Path("tests", "jobs")
# Transactions, locks, notifications and real clusters: what a pool or an old version may do to the
# laws. What is left out computes, draws pages or measures.
CHOSEN = {
    "cluster": [
        "stuck_workers",
        "without_notify",
    ],
    "control": [
        "bulk",
        "cancellation",
        "cancellation_sets",
        "form_submissions",
        "reruns",
    ],
    "events": [
        "deduplication",
        "event_order",
        "intake",
    ],
    "execution": [
        "broken_transactions",
        "commit_callbacks",
        "deferred_constraints",
        "ended_transactions",
        "invoke",
        "law_02_memory",
        "law_03_atomic_steps",
        "law_08_step_retries",
        "law_10_suspension",
        "requeues",
        "session_state",
        "wait_for_event",
        "wait_for_event_races",
    ],
    "fetch": [
        "answer_races",
        "outbox_store",
        "step_fetch",
    ],
    "laws": [
        "law_01_accepted_means_durable",
        "law_04_one_writer",
        "law_05_catalogue_of_errors",
        "law_05_process_death",
        "law_07_thousand_sleepers",
        "laws_chaos",
    ],
    "maintenance": [
        "cron_concurrent",
        "lost_clusters",
        "lost_workers",
        "missed_wakeups",
        "retention",
        "wakeups_while_requeued",
    ],
    "platform/postgres": [
        "effects_of_steps",
        "jit",
        "notifier",
        "outages",
        "pool_checks",
        "pooled_pipeline",
        "server_checks",
        "statements",
        "step_cursor",
    ],
    "runs": [
        "deadlocks",
        "next_in_line",
        "law_06_turns",
        "law_06_turns_concurrent",
        "law_09_hooks",
    ],
}
FOLDER = Path(".local", "test-postgres")
PYTEST = [sys.executable, "-m", "pytest", "-n", "3", "--dist", "worksteal", "--reuse-db"]
ALONE = ["-n", "0", "--last-failed", "--last-failed-no-failures", "none"]


class Missing(Exception):
    """What this machine does not have."""


def main(arguments: list[str]) -> int:
    ways = [word for word in arguments if word in WAYS] or WAYS
    given = [word for word in arguments if word not in WAYS]
    try:
        with alone():
            return max(_tested(way, given) for way in ways)
    except BlockingIOError:
        print("`make test-postgres` runs in this checkout already.")
        return 1


@contextmanager
def alone() -> Iterator[None]:
    """The servers' folders are this process's."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _tested(way: str, given: list[str]) -> int:
    try:
        with _database(way) as (version, url):
            print(f"\n=== {way}: the engine's tests on PostgreSQL {version} ===", flush=True)
            return _pytest(way, url, given)
    except (Missing, DatabaseUnavailable) as problem:
        print(f"\nNOTE: NOT TESTED: {way}. {problem}", flush=True)
        return 1 if os.environ.get("CI") else 0


@contextmanager
def _database(way: str) -> Iterator[tuple[str, str]]:
    found = _programs(way)
    with servers.server(FOLDER.resolve() / way, found) as sockets:
        if way != "pool":
            yield found.major, servers.url(sockets)
            return
        pgbouncer = programs.pgbouncer()
        if pgbouncer is None:
            raise Missing("This machine has no PgBouncer, and it could not be installed.")
        with servers.pool(sockets, pgbouncer) as port:
            pooled = servers.url(sockets, port=port, **servers.BEHIND_A_POOL)
            yield f"{found.major} behind PgBouncer in transaction mode", pooled


def _programs(way: str) -> Programs:
    if way == "plain":
        return Programs.find()
    oldest = way == "oldest"
    found = programs.of_the_oldest_version() if oldest else programs.of_the_system()
    if found is None:
        what = "PostgreSQL 14 (a package of npm)" if oldest else "PostgreSQL (Debian: postgresql)"
        raise Missing(f"This machine has no {what}, and it could not be installed.")
    return found


def _pytest(way: str, url: str, given: list[str]) -> int:
    names = [name for name in os.environ if name in ("PATH", "HOME", "LANG", "CI", "TMPDIR")]
    environment = {name: os.environ[name] for name in names}
    environment |= {"DATABASE_URL": url, "DEBUG": "1"}
    environment |= {"JOBS_PIPELINE": "0"} if way == "plain" else {}
    command = [*PYTEST, *_tests(way, given)]
    ended = subprocess.run(command, env=environment).returncode
    if ended != 1 or not os.environ.get("CI"):
        return ended
    print(f"\nONCE MORE, ALONE: the tests of {way} that failed above.", flush=True)
    return subprocess.run([*command, *ALONE], env=environment).returncode


def _tests(way: str, given: list[str]) -> list[str]:
    """What is given may name files of its own."""
    if any(Path(word.partition("::")[0]).exists() for word in given):
        return given
    if way in ("direct", "plain"):
        return ["-m", "django_db", *given, str(TESTS)]
    return [*given, *map(str, chosen(CHOSEN))]


def chosen(names: dict[str, list[str]]) -> list[Path]:
    return [TESTS / wing / f"test_{name}.py" for wing, listed in names.items() for name in listed]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
