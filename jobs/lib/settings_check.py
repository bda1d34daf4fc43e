"""What is wrong with the site's settings, each in a sentence. A misspelt name is among it: the
reader of the right one finds its default.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from jobs import conf
from jobs.lib.excerpts import quoted
from jobs.lib.spelling import did_you_mean

BACKEND = "jobs.control.permissions.EngineBackend"
NO_BACKEND = Warning(
    f"AUTHENTICATION_BACKENDS does not name {BACKEND}: in the panel only superusers can retry, "
    "cancel or pause anything.",
    hint="Add it behind django.contrib.auth.backends.ModelBackend.",
    id="jobs.W003",
)
TIMES = (conf.lease, conf.retention, conf.retention_batch, conf.backoff)
GATEWAY = (conf.gateway_limit, conf.gateway_per_host, conf.gateway_grace)
DATABASE = (conf.prepare_steps, conf.pipeline, conf.listen)
REST = (conf.run_output_limit, conf.version, conf.checked_secrets, conf.panel_counts)
READERS = (*TIMES, *GATEWAY, *DATABASE, *REST, *conf.CALLABLES.values())


def check(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Errors: unusable values (`jobs.E001`), names that no setting has (`jobs.E033`), times without
    a zone (`jobs.E034`). Warnings: no backend for permissions on runs (`jobs.W003`), secrets
    (`jobs.W029`) and callables (`jobs.W030`) that are not there.
    """
    return [
        *(Error(problem, id="jobs.E001") for problem in dict.fromkeys(_of_values())),
        *(Error(problem, id="jobs.E033") for problem in _of_names()),
        *_of_time_zones(),
        *([] if BACKEND in settings.AUTHENTICATION_BACKENDS else [NO_BACKEND]),
        *(Warning(problem, id="jobs.W029") for problem in _of_secrets()),
        *(Warning(problem, id="jobs.W030") for problem in _of_paths()),
    ]


def _of_values() -> Iterator[str]:
    for read in READERS:
        try:
            read()
        except ImproperlyConfigured as problem:
            yield str(problem)


def _of_names() -> Iterator[str]:
    given = getattr(settings, "JOBS", {})
    if not isinstance(given, dict):
        yield f"JOBS is of type {type(given).__name__}: a dict is allowed."
        return
    for name in given:
        if name not in conf.NAMES:
            known = did_you_mean(name, conf.NAMES) or f" Known are {', '.join(conf.NAMES)}."
            yield f"JOBS[{quoted(name)}]: the engine has no such setting.{known}"


def _of_time_zones() -> Iterator[CheckMessage]:
    if not settings.USE_TZ:
        what = "USE_TZ is off: the engine's times have a zone."
        yield Error(what, hint="Set USE_TZ = True, Django's default.", id="jobs.E034")


def _of_secrets() -> Iterator[str]:
    for name in conf.secrets():
        if name.isidentifier() and name.isupper() and not hasattr(settings, name):
            meant = did_you_mean(name, dir(settings))
            yield f'JOBS["SECRETS"] names {name}, and settings has no {name}.{meant}'


def _of_paths() -> Iterator[str]:
    for name, read in conf.CALLABLES.items():
        try:
            given: Any = read()
        except ImproperlyConfigured:  # _of_values says it
            continue
        for path in [given] if isinstance(given, str) else given or ():
            why = _why_not_callable(path)
            if why:
                yield f'JOBS["{name}"] names {quoted(path)}, which cannot be used: {why}.'


def _why_not_callable(path: str) -> str:
    try:
        return "" if callable(import_string(path)) else "it is not callable"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
