from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import register


class JobsConfig(AppConfig):
    name = "jobs"
    verbose_name = "Jobs"

    def ready(self) -> None:
        from jobs import conf, discovery, log_records

        log_records.mask_all()
        register(conf.check)
        discovery.discover()
