"""The project's settings with functions that start processes."""

from __future__ import annotations

from melodymaker.settings import *  # noqa: F403
from melodymaker.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.children"]
