"""A cluster holds the engine and the product's functions, and no page."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from django.conf import settings

PAGES = ("jobs.admin", "songs.admin", "melodymaker.urls", "songs.urls", "miniaudio", "numpy")
PROGRAM = """
import json, sys, django
django.setup()
from django.core.management import load_command_class
command = load_command_class("jobs", "qcluster")
command.check()
from jobs.cluster import pusher, worker
clusters = sorted(sys.modules)
from django.urls import get_resolver
get_resolver().url_patterns
from django.contrib import admin
print(json.dumps([clusters, sorted(sys.modules), len(admin.site._registry)]))
"""


def test_a_cluster_imports_no_page_and_a_site_imports_all_with_its_addresses() -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "melodymaker.settings", "DEBUG": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    clusters, sites, registered = json.loads(done.stdout.splitlines()[-1])
    assert "songs.functions" in clusters
    assert [name for name in clusters if name in PAGES or name.startswith("songs.admin.")] == []
    assert {"jobs.admin", "songs.admin", "melodymaker.urls"} <= set(sites)
    assert registered > 10
