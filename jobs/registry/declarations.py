"""What was meant by a declaration that Python itself refuses."""

from __future__ import annotations

import dataclasses
import re

from jobs.lib.spelling import did_you_mean
from jobs.registry.options import Cancel, Concurrency, Timeouts, TriggerCron, TriggerEvent

OPTIONS = {
    kind.__name__: tuple(field.name for field in dataclasses.fields(kind))
    for kind in (Cancel, Concurrency, Timeouts, TriggerCron, TriggerEvent)
}
UNKNOWN = re.compile(r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'")
BY_PLACE = re.compile(r"(\w+)\.__init__\(\) takes 1 positional argument but")
BARE = re.compile(r"create_function\(\) missing .* 'fn_id'")


def hint(message: str) -> str:
    """After a space; empty for another error."""
    if BARE.search(message):
        return ' Declare a function so: @create_function(fn_id="…", trigger=…).'
    unknown, by_place = UNKNOWN.search(message), BY_PLACE.search(message)
    found = unknown or by_place
    options = OPTIONS.get(found[1], ()) if found else ()
    if not options or not found:
        return ""
    meant = did_you_mean(unknown[2], options) if unknown else ""
    return meant or f" Its options are given by name: {', '.join(options)}."
