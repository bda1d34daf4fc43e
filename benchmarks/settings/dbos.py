"""DBOS's process uses Django for the songs alone."""

from __future__ import annotations

from benchmarks.settings.bare import *  # noqa: F403
