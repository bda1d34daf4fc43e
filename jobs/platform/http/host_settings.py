"""The lists of hosts in JOBS. A URL there would allow nothing, and only a request would tell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.core.checks import CheckMessage, Error

from jobs import conf
from jobs.lib.excerpts import quoted
from jobs.platform.http.address_policy import names_a_host

UNFIT = re.compile(r"[/\\\s@?#*,%]")


def check(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """An error for each entry that is no host (`jobs.E017`)."""
    lists = {"ALLOWED_HOSTS": conf.allowed_hosts(), "PRIVATE_HOSTS": conf.private_hosts()}
    found = [problem for name, hosts in lists.items() for problem in _problems(name, hosts)]
    hint = "In the environment, JOBS_ALLOWED_HOSTS and JOBS_PRIVATE_HOSTS are such lists."
    return [Error(problem, hint=hint, id="jobs.E017") for problem in found]


def _problems(name: str, hosts: Any) -> Iterator[str]:
    if not isinstance(hosts, list | tuple | set | frozenset):
        yield f'JOBS["{name}"] = {quoted(hosts)}: a list of hosts is allowed.'
        return
    for host in hosts:
        if not _is_host(host):
            yield (
                f'JOBS["{name}"] has {quoted(host)}: a host or host:port is allowed, without '
                f"“https://” and without a path.{_meant(host)}"
            )


def _is_host(given: Any) -> bool:
    return isinstance(given, str) and not UNFIT.search(given.strip()) and names_a_host(given)


def _meant(given: Any) -> str:
    if not isinstance(given, str):
        return ""
    try:
        host = urlsplit(given.strip() if "//" in given else f"//{given.strip()}").netloc
    except ValueError:
        return ""
    host = host.rpartition("@")[2]
    return f" Write {quoted(host)}." if host and host != given and _is_host(host) else ""
