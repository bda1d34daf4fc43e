"""Functions for a test alone, and their runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jobs.control.sending import start_by_hand
from jobs.errors import JobsError
from jobs.events.event import Event
from jobs.events.intake import send
from jobs.lib.json_values import named
from jobs.models import Run
from jobs.registry import catalog
from jobs.registry.decorator import create_function
from jobs.registry.function import Function, Handler
from jobs.registry.handler_identity import module_of
from jobs.registry.options import TriggerEvent
from jobs.testing import cron_lines
from jobs.testing.draining import drain

FN_ID, EVENT = "test-function", "test/go"


@contextmanager
def registered(handler: Handler, **options: Any) -> Iterator[Function]:
    """A function for the length of a block. `options` are create_function's; by default its id is
    “test-function”, the event “test/go” triggers it, and it is tried again after a second. Its cron
    lines tick, in `drain` after `travel`.
    """
    usual: dict[str, Any] = {"fn_id": FN_ID, "trigger": TriggerEvent(event=EVENT), "backoff": [1]}
    function = create_function(**usual | options)(handler)
    cron_lines.own.append(function)
    try:
        yield function
    finally:
        cron_lines.own.remove(function)
        catalog.unregister(function.fn_id)


def ran(
    handler: Handler | Function,
    data: Any = None,
    *,
    skip_time: bool = False,
    **options: Any,
) -> Run:
    """One run of a handler, as far as it goes now, or with `skip_time` to its end.

    The handler is registered meanwhile, with `options`. A registered function's first trigger
    starts the run: an event with `data`, or a tick of its cron line. Without triggers it is started
    as by `step.invoke`. Raises JobsError for `options` of a registered function, and AssertionError
    if nothing was started: its condition is not met.
    """
    if isinstance(handler, Function):
        if options:
            names = ", ".join(sorted(options))
            raise JobsError(
                f"ran({handler.fn_id}, {names}=…): options are for a handler that is registered "
                "for the test alone; this function is registered with its own."
            )
        return _ran(handler, {} if data is None else data, skip_time)
    with registered(handler, **options) as function:
        return ran(function, data, skip_time=skip_time)


def _ran(function: Function, data: Any, skip_time: bool) -> Run:
    known = set(Run.objects.filter(fn_id=function.fn_id).values_list("id", flat=True))
    _start(function, data)
    drain(skip_time=skip_time)
    run = Run.objects.filter(fn_id=function.fn_id).exclude(id__in=known).order_by("-id").first()
    assert run is not None, (  # noqa: S101
        f"ran() has started no run of “{function.fn_id}”: the condition (if_exp) of its trigger is "
        "not met, or the function is paused."
    )
    return run


def the_run(function: Function | str = FN_ID) -> Run:
    """The newest run of a function or its id; AssertionError if there is none."""
    fn_id = function.fn_id if isinstance(function, Function) else function
    is_id = isinstance(fn_id, str)
    run = Run.objects.filter(fn_id=fn_id).order_by("-id").first() if is_id else None
    assert run is not None, f"There is no run of {named(fn_id)}.{_why_none(fn_id)}"  # noqa: S101
    return run


def _why_none(fn_id: Any) -> str:
    others = Run.objects.order_by("fn_id").values_list("fn_id", flat=True).distinct()
    if catalog.knows(fn_id):
        return f" There are runs of {', '.join(map(named, others)) or 'no function'}."
    return catalog.meant(fn_id, others)


@contextmanager
def functions_of_a_block() -> Iterator[None]:
    """Functions registered in the block are gone after it, except those of modules that it was the
    first to import: a second import would not bring them back.
    """
    known, modules = set(catalog.ids()), set(sys.modules)
    try:
        yield
    finally:
        for function in catalog.all_functions():
            if function.fn_id not in known and module_of(function.handler) in modules:
                catalog.unregister(function.fn_id)


def _start(function: Function, data: Any) -> None:
    names = [t.event for t in catalog.event_triggers(function) if "*" not in t.event]
    if names:
        send(Event(name=names[0], data=data))
    elif cron_lines.has_lines(function):
        cron_lines.tick(function)
    else:
        start_by_hand(function.fn_id, data)
