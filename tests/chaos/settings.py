"""The project's settings with the trial's app, a short lease and a quick backoff."""

from __future__ import annotations

import os

from melodymaker.settings import *  # noqa: F403
from melodymaker.settings import INSTALLED_APPS, JOBS
from tests.chaos.terms import ENDPOINT, LEASE

DEBUG = False  # else the engine's statements go by plain cursors, which production's do not
CHAOS_ENDPOINT = os.environ.get(ENDPOINT, "http://127.0.0.1:9")
INSTALLED_APPS = [*INSTALLED_APPS, "tests.chaos.app"]
SHORT = float(os.environ.get(LEASE, "3"))
JOBS = JOBS | {
    "LEASE": SHORT,
    # Longer than any call (orders.py), also where DEBUG is on: a stop in good order repeats none.
    "GATEWAY_GRACE": 3 * SHORT,
    "BACKOFF": [0.2],
    "ALLOWED_HOSTS": [CHAOS_ENDPOINT.removeprefix("http://")],
}
