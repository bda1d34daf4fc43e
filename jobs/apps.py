from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps
from django.core.checks import Tags, register

if TYPE_CHECKING:
    from jobs.lib.version_range import VersionRange


class PanelConfig(admin_apps.SimpleAdminConfig):
    """Django's admin with the panel's site (see admin_site.py)."""

    default = False
    default_site = "jobs.admin_site.PanelSite"


class JobsConfig(AppConfig):
    default = True
    name = "jobs"
    verbose_name = "Jobs"

    def ready(self) -> None:
        from jobs.cluster import cluster_settings
        from jobs.lib import log_masking, settings_check, time_zones, version_range
        from jobs.platform.http import host_settings
        from jobs.platform.ipc import process_tree
        from jobs.platform.postgres import django_internals, jit, pipeline_switch, server_checks
        from jobs.registry import cel_library, discovery

        jit.install()
        pipeline_switch.install()
        log_masking.mask_all()
        register(settings_check.check)
        register(cluster_settings.check)
        register(pipeline_switch.check)
        register(django_internals.check)
        register(version_range.check_of(_leant_on))
        register(cel_library.check)
        register(host_settings.check)
        register(process_tree.check)
        register(time_zones.check)
        register(server_checks.check_vendor)
        register(server_checks.check, Tags.database)
        discovery.discover()


def _leant_on() -> list[VersionRange]:
    """Whose insides the engine uses, beside psycopg (pipeline_switch)."""
    from jobs.cluster import django_q_version
    from jobs.platform.http import connection
    from jobs.platform.ipc import process_tree
    from jobs.platform.postgres import django_internals
    from jobs.registry import cel_library

    fences = (django_q_version, connection, django_internals, process_tree, cel_library)
    return [fence.TESTED for fence in fences]
