from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
from multiprocessing.connection import Connection
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, OutputWrapper, SystemCheckError
from django_q.conf import Conf
from django_q.management.commands.qcluster import Command as Stock

from jobs.cluster import cluster_settings, django_q_adapter
from jobs.cluster.missing_tables import wait_for_tables
from jobs.errors import JobsError

FORK = multiprocessing.get_context("fork")


class Console(OutputWrapper):
    """A cluster works on if its output cannot be written: the disk is full, the pipe closed."""

    def write(self, *given: Any, **options: Any) -> None:  # type: ignore[override]
        with contextlib.suppress(OSError):
            super().write(*given, **options)


class Command(Stock):
    def __init__(self, stdout: Any = None, stderr: Any = None, **options: Any) -> None:
        consoles = Console(stdout or sys.stdout), Console(stderr or sys.stderr)
        super().__init__(*consoles, **options)

    def check(self, *args: Any, **kwargs: Any) -> None:
        """In a process of its own: the checks import the site's pages, a third of a site's memory,
        and no cluster needs those.
        """
        ours, childs = FORK.Pipe(duplex=False)
        child = FORK.Process(target=self._check_and_tell, args=(childs, args, kwargs))
        child.start()
        childs.close()
        try:
            problems = ours.recv()
        except EOFError:
            problems = ""
        child.join()
        if child.exitcode:
            raise CommandError("This cluster does not start: the system checks broke off.")
        if problems:
            raise SystemCheckError(problems)

    def _check_and_tell(self, parent: Connection, args: Any, kwargs: Any) -> None:
        try:
            super().check(*args, **kwargs)
        except SystemCheckError as problems:
            parent.send(str(problems))

    def _tell_at_once(self, sentence: str) -> None:
        self.stdout.write(sentence)
        self.stdout.flush()

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            django_q_adapter.refuse_untested()
        except JobsError as refusal:
            raise CommandError(str(refusal)) from None
        if Conf.BROKER_CLASS != cluster_settings.BROKER:
            problem = cluster_settings.problem_of(Conf.BROKER_CLASS)
            raise CommandError(f"{problem} {cluster_settings.WRITE}")
        if not settings.SECRET_KEY:  # signs what goes to the workers
            raise CommandError("This cluster does not start: SECRET_KEY is empty.")
        if options.get("cluster_name"):
            os.environ["Q_CLUSTER_NAME"] = options["cluster_name"]
        wait_for_tables(self._tell_at_once, is_patient=not options.get("run_once"))
        self.stdout.write("The cluster starts.")  # all code is loaded and checked
        cluster = django_q_adapter.EngineCluster()
        cluster.start()
        if options.get("run_once"):
            cluster.stop()
