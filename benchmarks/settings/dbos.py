"""DBOS's process uses Django for the songs alone: a connection for each of its threads, or a pool
where it has hundreds of them."""

from __future__ import annotations

import os

from benchmarks.settings.bare import *  # noqa: F403
from benchmarks.settings.bare import DATABASES

MAX_KEPT = 32
KEEPS_CONNECTIONS = int(os.environ["BENCH_THREADS"]) <= MAX_KEPT
if not KEEPS_CONNECTIONS:
    DATABASES["default"] |= {
        "CONN_MAX_AGE": 0,
        "OPTIONS": {"pool": {"min_size": 4, "max_size": 20, "timeout": 120}},
    }
