"""Finds every app's `functions.py`, as Django finds `admin.py`. A mistake stops no other function:

1. The runs of a module that cannot be imported wait visibly and say why.
2. An unusable function (its expression does not parse, its name is long) is set aside alone.

Each is logged as an error. Django's checks warn when a command starts, and fail a deployment's
`manage.py check --deploy`.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning, register
from django.utils.module_loading import module_has_submodule

from jobs.errors import NoTimeZones
from jobs.lib.error_report import class_path, fit_text, text_of
from jobs.registry import declarations, unusable
from jobs.registry.handler_identity import place_of_error

logger = logging.getLogger("jobs.engine")

REASON_LIMIT = 4_000  # characters
# Modules that cannot be imported → why.
broken: dict[str, str] = {}


def discover() -> None:
    for config in apps.get_app_configs():
        if config.module is not None and module_has_submodule(config.module, "functions"):
            _import(f"{config.name}.functions")


def _import(module: str) -> None:
    try:
        import_module(module)
    except NoTimeZones as error:
        broken[module] = f"{module} cannot be imported: {error}"
        logger.error("Its functions are unknown to this process: %s", broken[module])
    except Exception as error:
        place = place_of_error(error, module)
        hint = f".{meant}" if (meant := declarations.hint(text_of(error))) else ""
        told = f"{class_path(error)}: {text_of(error)}{hint}{f' ({place})' if place else ''}"
        broken[module] = fit_text(f"{module} cannot be imported: {told}")
        logger.exception("Its functions are unknown to this process: %s", module)


def why_unknown(fn_id: str) -> str:
    own = unusable.why(fn_id)
    if own is not None:
        return fit_text(f"This cluster cannot run it. {own}", REASON_LIMIT)
    sentences = [*broken.values(), *unusable.sentences()]
    unknown = f"No function “{fn_id}” is registered in this cluster."
    return fit_text(" ".join([unknown, *sentences]), REASON_LIMIT)


@register()
def modules(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A warning for each module that cannot be imported (`jobs.W001`)."""
    hint = "Runs of its functions wait until a cluster that knows them comes."
    return [Warning(problem, hint=hint, id="jobs.W001") for problem in broken.values()]


@register()
def functions(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A warning for each function that is set aside (`jobs.W002`)."""
    return [
        Warning(problem, hint=hint, id="jobs.W002")
        for problem, hint in unusable.sentences_with_hints()
    ]


@register(deploy=True)
def deployment(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """An error for an unknown or set-aside function (`jobs.E004`): running clusters go on with it,
    new ones would not.
    """
    count = len(broken) + len(unusable.sentences())
    if not count:
        return []
    what = "1 function or module of functions" if count == 1 else f"{count} functions or modules"
    hint = "See the warnings jobs.W001 and jobs.W002. Mend them before you restart the clusters."
    return [Error(f"{what} cannot be used.", hint=hint, id="jobs.E004")]
