"""Functions that this process cannot run, as a cluster last wrote them (rows.py).

Their runs may end here: a sweep finds a lost one, an operator cancels one. Their retries, timeouts
and hooks are the function's own; a hook's run waits for a cluster that can run it.
"""

from __future__ import annotations

from typing import Any

from jobs.models import RegisteredFunction
from jobs.registry import catalog, unusable
from jobs.registry.function import DEFAULT_RETRIES, Function
from jobs.registry.options import Timeouts

MOMENTS = ("failure", "cancel", "retry")


def function_of(fn_id: str) -> Function | None:
    """This process's, else the row's; None without either."""
    here = catalog.get(fn_id) if catalog.knows(fn_id) else None
    if here is not None and not unusable.is_refused(fn_id):
        return here
    row = RegisteredFunction.objects.filter(fn_id=fn_id).first()
    return here if row is None else _as_written(fn_id, row.config)


def hook_of(fn_id: str, moment: str) -> Function | None:
    """`moment` is “failure”, “cancel” or “retry”."""
    function = function_of(fn_id)
    hook = function.hooks.get(moment) if function else None
    if hook is None:
        return None
    return catalog.get(hook) if catalog.knows(hook) else catalog.stand_in(hook)


def _as_written(fn_id: str, config: Any) -> Function:
    told: dict[str, Any] = config if isinstance(config, dict) else {}
    backoff, timeouts = told.get("backoff"), told.get("timeouts") or {}
    return catalog.stand_in(
        fn_id,
        retries=told.get("retries", DEFAULT_RETRIES),
        backoff=tuple(backoff) if backoff else None,
        timeouts=Timeouts(start=timeouts.get("start"), finish=timeouts.get("finish")),
        resumable=told.get("resumable", True),
        hooks={moment: told[f"on_{moment}"] for moment in MOMENTS if f"on_{moment}" in told},
    )
