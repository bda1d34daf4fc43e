from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import Tags, register


class JobsConfig(AppConfig):
    name = "jobs"
    verbose_name = "Jobs"

    def ready(self) -> None:
        from django_q import cluster

        from jobs import conf, discovery, family, jit, log_records, server_checks, zones

        jit.install()
        log_records.mask_all()
        register(conf.check)
        register(zones.check)
        register(server_checks.check, Tags.database)
        discovery.discover()
        cluster.get_mp_context = family.context  # also for the main process, which has no broker
