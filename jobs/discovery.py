"""Finding every app's `functions.py`, as `admin.py` is found.

A module that cannot be imported does not take the others down with it: its functions stay unknown
to this process, their runs wait visibly and say why, and a system check tells of it. What is
wrong with a function itself (two of one id, an expression that does not parse) is an error at
start.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Warning, register
from django.utils.module_loading import module_has_submodule

from jobs.error_reports import class_path, storable, text_of
from jobs.errors import InvalidFunction

logger = logging.getLogger("jobs.engine")

# Modules that could not be imported, and the sentence that says why.
broken: dict[str, str] = {}


def discover() -> None:
    """Import the `functions` module of every installed app."""
    for config in apps.get_app_configs():
        if config.module is not None and module_has_submodule(config.module, "functions"):
            _import(f"{config.name}.functions")


def _import(module: str) -> None:
    try:
        import_module(module)
    except InvalidFunction:
        raise
    except Exception as error:
        broken[module] = storable(
            f"{module} cannot be imported: {class_path(error)}: {text_of(error)}"
        )
        logger.exception("Its functions are unknown to this process: %s", module)


def why_unknown(fn_id: str) -> str:
    """Why a run waits for its function."""
    return " ".join([f"No function “{fn_id}” is registered in this cluster.", *broken.values()])


@register()
def modules(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """One warning for each module of functions that cannot be imported (`jobs.W001`)."""
    hint = "Runs of its functions wait until a cluster that knows them comes."
    return [Warning(problem, hint=hint, id="jobs.W001") for problem in broken.values()]
