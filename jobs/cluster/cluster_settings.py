"""What a site's settings must say so that `manage.py qcluster` starts a cluster of the engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning

BROKER = "jobs.cluster.broker.RunBroker"
WRITE = f'Write Q_CLUSTER = {{"broker_class": "{BROKER}", …}}.'


def check(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """An error if `qcluster` would be django-q2's own (`jobs.E036`), a warning without the engine's
    broker (`jobs.W031`).
    """
    return [*_of_the_order(), *_of_the_broker()]


def _of_the_order() -> Iterator[CheckMessage]:
    apps = [app.partition(".")[0] for app in settings.INSTALLED_APPS]
    if "django_q" in apps and apps.index("django_q") < apps.index("jobs"):
        what = "INSTALLED_APPS names “django_q” before “jobs”: “qcluster” would be django-q2's own."
        yield Error(what, hint="Name “jobs” first.", id="jobs.E036")


def _of_the_broker() -> Iterator[CheckMessage]:
    given = getattr(settings, "Q_CLUSTER", {})
    clusters = [given, *given.get("ALT_CLUSTERS", {}).values()]
    if not any(cluster.get("broker_class") == BROKER for cluster in clusters):
        yield Warning(problem_of(given.get("broker_class")), hint=WRITE, id="jobs.W031")


def problem_of(broker: Any) -> str:
    return f"Q_CLUSTER has broker_class={broker!r}: with that no cluster of the engine starts."
