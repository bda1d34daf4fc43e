"""The project's settings with the catalogue's functions."""

from __future__ import annotations

import tempfile

from melodymaker.settings import *  # noqa: F403
from melodymaker.settings import INSTALLED_APPS, JOBS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.catalogue"]
# No process of the cluster can write a temporary file.
tempfile.tempdir = "/nonexistent"
JOBS = {**JOBS, "BACKOFF": [0.1], "LEASE": 5}
