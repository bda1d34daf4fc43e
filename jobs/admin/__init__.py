"""The operator's panel: stock django.contrib.admin, one file a page."""

from __future__ import annotations

# Imported first: it registers the pages that are removed below.
import django_q.admin  # noqa: F401
from django.contrib import admin
from django_q.models import Failure, OrmQ, Schedule, Success

from jobs.admin import audit_log, clusters, events, functions, runs

__all__ = ["audit_log", "clusters", "events", "functions", "runs"]

admin.site.site_header = "MelodyMaker operations"
admin.site.site_title = "MelodyMaker operations"
admin.site.index_title = "Operations"

# They show nothing of the engine's queue, the Run table.
for model in (Schedule, Success, Failure, OrmQ):
    if admin.site.is_registered(model):
        admin.site.unregister(model)
