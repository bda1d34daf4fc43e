"""DBOS's process uses Django for the songs alone, from a pool: it may have a thousand threads."""

from __future__ import annotations

from benchmarks.settings.bare import *  # noqa: F403
from benchmarks.settings.bare import DATABASES

DATABASES["default"] |= {
    "CONN_MAX_AGE": 0,
    "OPTIONS": {"pool": {"min_size": 4, "max_size": 20, "timeout": 120}},
}
