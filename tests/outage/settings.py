"""The project's settings with a function that asks, and a lease that is shorter than an outage."""

from __future__ import annotations

import os

from melodymaker.settings import *  # noqa: F403
from melodymaker.settings import INSTALLED_APPS, JOBS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.outage"]
JOBS = JOBS | {"LEASE": 1.0, "ALLOWED_HOSTS": [os.environ["OUTAGE_HOST"]]}
