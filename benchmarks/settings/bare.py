"""The least that the benchmark's app needs: what the peers start from."""

from __future__ import annotations

import os
from urllib.parse import parse_qs, urlsplit

_url = urlsplit(os.environ["DATABASE_URL"])
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _url.path.lstrip("/"),
        "USER": _url.username,
        "HOST": parse_qs(_url.query)["host"][0],
        "PORT": parse_qs(_url.query)["port"][0],
        "CONN_MAX_AGE": None,
    }
}
SECRET_KEY = os.environ["SECRET_KEY"]
INSTALLED_APPS = ["benchmarks.app"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
BENCH_ENDPOINT = os.environ["GENERATE_FROM_DESCRIPTION"]
