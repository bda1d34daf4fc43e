from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps
from django.core.checks import Tags, register


class PanelConfig(admin_apps.AdminConfig):
    """Django's admin with the panel's own site: Operations first (see admin_site.py)."""

    default = False
    default_site = "jobs.admin_site.PanelSite"


class JobsConfig(AppConfig):
    default = True
    name = "jobs"
    verbose_name = "Jobs"

    def ready(self) -> None:
        from django_q import cluster

        from jobs import conf
        from jobs.lib import log_masking, time_zones
        from jobs.platform.ipc import process_tree
        from jobs.platform.postgres import jit, server_checks
        from jobs.registry import discovery

        jit.install()
        log_masking.mask_all()
        register(conf.check)
        register(time_zones.check)
        register(server_checks.check, Tags.database)
        discovery.discover()
        # also for the main process, which has no broker
        cluster.get_mp_context = process_tree.context
