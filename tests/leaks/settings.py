"""The project's settings with a function that tells a secret in every way it can."""

from __future__ import annotations

from melodymaker.settings import *  # noqa: F403
from melodymaker.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.leaks"]
