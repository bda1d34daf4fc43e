"""The project's own settings, production's, with the benchmark's app beside the product."""

from __future__ import annotations

from melodymaker.settings import *  # noqa: F403
from melodymaker.settings import GENERATE_FROM_DESCRIPTION, INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "benchmarks.app"]
BENCH_ENDPOINT = GENERATE_FROM_DESCRIPTION
STAFF_SECOND_FACTOR = False  # the panel is asked for by an account without one
