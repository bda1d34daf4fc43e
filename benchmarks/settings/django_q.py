"""Plain django-q2 on the same PostgreSQL, set up for speed: nothing of a success is kept."""

from __future__ import annotations

import os

from benchmarks.settings.bare import *  # noqa: F403

INSTALLED_APPS = ["django_q", "benchmarks.app"]
Q_CLUSTER = {
    "name": "bench",
    "orm": "default",
    "workers": int(os.environ["CLUSTER_WORKERS"]),
    "bulk": int(os.environ.get("BENCH_BULK", "10")),
    "timeout": 120,
    "retry": 600,
    "save_limit": -1,
    "scheduler": False,
    "log_level": "WARNING",
}
LOGGING = {"version": 1, "disable_existing_loggers": False}
