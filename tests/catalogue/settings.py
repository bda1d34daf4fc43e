"""The project's settings with the catalogue's functions."""

from __future__ import annotations

from melodymaker.settings import *  # noqa: F403
from melodymaker.settings import INSTALLED_APPS, JOBS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.catalogue"]
JOBS = {**JOBS, "BACKOFF": [0.1], "LEASE": 5}
