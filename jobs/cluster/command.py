from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django_q.management.commands.qcluster import Command as Stock

from jobs.cluster import django_q_adapter
from jobs.errors import JobsError


class Command(Stock):
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            django_q_adapter.refuse_untested()
        except JobsError as refusal:
            raise CommandError(str(refusal)) from None
        if not settings.SECRET_KEY:  # signs what goes to the workers
            raise CommandError("This cluster does not start: SECRET_KEY is empty.")
        if options.get("cluster_name"):
            os.environ["Q_CLUSTER_NAME"] = options["cluster_name"]
        self.stdout.write("The cluster starts.")  # all code is loaded and checked
        cluster = django_q_adapter.EngineCluster()
        cluster.start()
        if options.get("run_once"):
            cluster.stop()
