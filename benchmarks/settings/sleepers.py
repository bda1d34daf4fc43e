"""Those of the benchmark, with a function that sleeps."""

from __future__ import annotations

from benchmarks.settings.ours import *  # noqa: F403
from benchmarks.settings.ours import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "benchmarks.sleeping"]
