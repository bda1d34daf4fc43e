from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import register


class JobsConfig(AppConfig):
    name = "jobs"
    verbose_name = "Jobs"

    def ready(self) -> None:
        from jobs import conf, discovery, zones

        register(conf.check)
        register(zones.check)
        discovery.discover()
