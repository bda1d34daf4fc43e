"""The engine's laws under fire: a short round of `make chaos` (see docs/chaos.md)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from tests.support.database import sites_database_url

pytestmark = [pytest.mark.cluster, pytest.mark.django_db(transaction=True)]

SIZE = [
    "--runs=30",
    "--fuzzed=60",
    "--keys=4",
    "--workers=2",
    "--seconds=6",
    "--blows=6",
    "--lease=3",
]
SEED = "--seed=526"  # a monitor, a pusher, two workers and a cluster are killed, one is frozen


def test_the_laws_hold_while_processes_are_killed(tmp_path: Path) -> None:
    told = tmp_path / "report.json"
    places = [
        f"--database={sites_database_url()}",
        f"--report={told}",
        f"--logs={tmp_path / 'logs'}",
    ]
    trial = subprocess.run(
        [sys.executable, "-m", "tests.chaos", SEED, *SIZE, *places],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
    )

    assert trial.returncode == 0, trial.stdout + trial.stderr
    report = json.loads(told.read_text())
    assert sum(report["blows"].values()) == 6
    assert report["runs"]["completed"] >= 30
    assert report["fuzzed events"]["accepted"] >= 20
    assert not any(report["broken"].values())
