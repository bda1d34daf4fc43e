"""The project's settings with a cluster that never looks by itself: it has to be told.

`TELLING_AGAIN`: seconds after which it looks once more when it has been told.
"""

from __future__ import annotations

import os

from jobs.cluster import listener
from melodymaker.settings import *  # noqa: F403
from melodymaker.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.telling"]
listener.POLL = listener.POLL_UNTOLD = 3600.0
listener.AGAIN = float(os.environ.get("TELLING_AGAIN", listener.AGAIN))
