"""The project's settings with a function that is under way while its cluster is replaced."""

from __future__ import annotations

from melodymaker.settings import *  # noqa: F403
from melodymaker.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.reloaded"]
