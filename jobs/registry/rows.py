"""The rows of functions, written when a cluster starts."""

from __future__ import annotations

import logging
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from jobs.lib.error_report import fit_text
from jobs.lib.excerpts import quoted
from jobs.models import RegisteredFunction
from jobs.platform.postgres.outages import is_unavailable
from jobs.registry import unusable
from jobs.registry.catalog import all_functions, get
from jobs.registry.function import Function

logger = logging.getLogger("jobs.engine")


REASON_LIMIT = 4_000  # characters


def sync() -> None:
    """One statement for all or, if that fails, one by one: an unwritable one is set aside. Raises
    Django's errors if the database is away.
    """
    functions = sorted(all_functions(), key=lambda f: f.fn_id)
    refused = [f for f in functions if unusable.is_refused(f.fn_id)]
    usable = [f for f in functions if not unusable.is_refused(f.fn_id)]
    for function in usable:
        unusable.forget(function.fn_id)
    if not _is_written(usable):
        for function in usable:
            _write_alone(function)
    for function in refused:
        _tell(function.fn_id)


def _is_written(functions: list[Function]) -> bool:
    try:
        with transaction.atomic():
            _write([_row_of(function) for function in functions])
    except Exception as error:
        if is_unavailable(error):
            raise
        logger.exception(
            "The cluster cannot write its functions at once, and writes them one by one."
        )
        return False
    return True


def _write_alone(function: Function) -> None:
    try:
        with transaction.atomic():
            _write([_row_of(function)])
    except Exception as error:
        if is_unavailable(error):
            raise
        why = f"Function “{function.fn_id}” ({function.place}) cannot be written: "
        unusable.set_aside(function.fn_id, why + f"{type(error).__name__}: {error}")
        logger.exception("A function is set aside, the others go on: %s", function.fn_id)
        _tell(function.fn_id)


def _row_of(function: Function) -> RegisteredFunction:
    name, config = function.name, function.config()
    return RegisteredFunction(fn_id=function.fn_id, name=name, config=config, synced_at=Now())


def _write(rows: list[RegisteredFunction]) -> None:
    RegisteredFunction.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["fn_id"],
        update_fields=["name", "config", "synced_at"],
    )


def _tell(fn_id: str) -> None:
    why = fit_text(unusable.why(fn_id) or "", REASON_LIMIT)
    try:
        with transaction.atomic():
            config = {**_kept(fn_id), "unfit": why}
            _write([RegisteredFunction(fn_id=fn_id, name=fn_id, config=config, synced_at=Now())])
    except Exception as error:
        if is_unavailable(error):
            raise
        logger.exception("Function %s cannot have a row.", quoted(fn_id))


def _kept(fn_id: str) -> dict[str, Any]:
    """What a cluster wrote that could use it holds for its runs (last_synced), with the hooks that
    it has here."""
    row = RegisteredFunction.objects.filter(fn_id=fn_id).first()
    config: Any = row.config if row else {}
    hooks = {f"on_{moment}": hook for moment, hook in get(fn_id).hooks.items()}
    return {**(config if isinstance(config, dict) else {}), **hooks}
