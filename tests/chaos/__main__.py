"""`python -m tests.chaos`: one trial, its report, and an exit code that says whether all laws held.

Without `--database` it starts a PostgreSQL of its own, which then is struck down too.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from random import Random, SystemRandom

from tests.chaos import terms
from tests.chaos.database import OwnDatabase
from tests.chaos.endpoint import Endpoint

KEPT = ("PATH", "HOME", "LANG", "SECRET_KEY")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    number = SystemRandom().randrange(1_000_000)
    parser.add_argument("--seed", type=int, default=number, help="draws orders and blows")
    parser.add_argument("--runs", type=int, default=500, help="orders that are sent in the storm")
    parser.add_argument("--keys", type=int, default=20, help="concurrency keys of each function")
    parser.add_argument("--seconds", type=float, default=90.0, help="length of the storm")
    parser.add_argument("--blows", type=int, default=45, help="how many fall in it")
    parser.add_argument("--fuzzed", type=int, default=300, help="events of every shape")
    parser.add_argument("--clusters", type=int, default=2)
    parser.add_argument("--workers", type=int, default=3, help="of each cluster")
    parser.add_argument("--lease", type=float, default=3.0, help="seconds")
    parser.add_argument("--patience", type=float, default=120.0, help="seconds for the calm to end")
    parser.add_argument("--database", default="", help="URL of a migrated one that stays up")
    parser.add_argument("--report", type=Path, help="a file for the report as JSON")
    parser.add_argument("--logs", type=Path, help="a folder to keep the clusters' logs in")
    return parser.parse_args()


def environment(given: argparse.Namespace, url: str, endpoint: Endpoint) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if name in KEPT}
    return ours | {
        "DEBUG": "1",
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
        "CLUSTER_WORKERS": str(given.workers),
        "OPENBLAS_NUM_THREADS": "1",
        terms.ENDPOINT: endpoint.url,
        terms.LEASE: str(given.lease),
        terms.FUZZ_SEED: str(given.seed),
    }


def main() -> int:
    given = arguments()
    say(f"chaos: seed {given.seed}")
    with ExitStack() as stack:
        database = None if given.database else OwnDatabase()
        if database is not None:
            stack.callback(database.close)
        endpoint = Endpoint()
        stack.callback(endpoint.close)
        url = database.url if database is not None else given.database
        shared = environment(given, url, endpoint)
        os.environ.update(shared | {terms.KNOWS_STRANGER: "1"})
        set_up(migrating=database is not None)
        return hold_trial(given, stack, shared, endpoint, database)


def set_up(*, migrating: bool) -> None:
    import django
    from django.core.management import call_command

    django.setup()
    if migrating:
        call_command("migrate", verbosity=0)


def hold_trial(
    given: argparse.Namespace,
    stack: ExitStack,
    shared: dict[str, str],
    endpoint: Endpoint,
    database: OwnDatabase | None,
) -> int:
    from django.db import connection

    from tests.chaos import report
    from tests.chaos.app.models import drop_tables, make_tables
    from tests.chaos.clusters import Cluster
    from tests.chaos.door import Door
    from tests.chaos.orders import OrderBook
    from tests.chaos.storm import Storm
    from tests.chaos.trial import Plan, Trial

    make_tables()
    stack.callback(connection.close)
    stack.callback(drop_tables)
    logs = given.logs or Path(tempfile.mkdtemp(prefix="chaos-logs-"))
    logs.mkdir(parents=True, exist_ok=True)
    clusters = [Cluster(number, shared, logs) for number in range(given.clusters)]
    for cluster in clusters:
        stack.callback(cluster.kill_for_good)
    plan = Plan(given.seed, given.runs, given.keys, given.seconds, given.blows, given.patience)
    book = OrderBook(Random(f"orders {given.seed}"), given.seed, given.keys, given.lease)
    storm = Storm(Random(f"blows {given.seed}"), clusters, database, given.lease)
    door = Door(given.seed, given.fuzzed)
    trial = Trial(plan, clusters, endpoint, book, storm, door, say)
    began = time.monotonic()
    trial.run()
    verdict = trial.judge()
    found = report.figures(given.seed, storm, endpoint.calls(), time.monotonic() - began)
    found["fuzzed events"] = {"accepted": len(door.accepted), "refused": door.refused}
    say(report.text(found, verdict))
    if given.report:
        given.report.write_text(json.dumps(found | {"broken": verdict}, indent=1))
    return conclude(given, logs, broken=any(verdict.values()))


def conclude(given: argparse.Namespace, logs: Path, *, broken: bool) -> int:
    if broken:
        say(f"\nA law was broken. The same again: --seed {given.seed}; the clusters' logs: {logs}")
        return 1
    say("\nAll laws held.")
    if not given.logs:
        shutil.rmtree(logs, ignore_errors=True)
    return 0


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
