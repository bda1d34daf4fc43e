"""For tests of functions: run what is due in this process, and let time pass without waiting.

drain()                      # everything that is due, HTTP requests included
drain(skip_time=True)        # and what comes later: sleeps, waits and backoffs end at once
travel(timedelta(hours=1))   # everything the engine has written is an hour older
tick("nightly-digest")       # the time of its cron line has come

ran(welcome, {"userId": 7})  # a run of a function, or of any handler
with registered(handler):    # a function that is gone after the block

with Endpoint().open() as endpoint:              # a real server, on a free port
    endpoint.answers(Answer(500), Answer(body={"made": True}))

survives_every_crash(welcome, Event(name="shop/user.joined"))
"""

from __future__ import annotations

from jobs.testing.crashes import Boundary, CrashingCluster
from jobs.testing.cron_lines import start_cron, tick
from jobs.testing.draining import drain
from jobs.testing.endpoint import Answer, Asked, Endpoint
from jobs.testing.functions import functions_of_a_block, ran, registered, the_run
from jobs.testing.survival import survives_every_crash
from jobs.testing.time_travel import travel

__all__ = [
    "Answer",
    "Asked",
    "Boundary",
    "CrashingCluster",
    "Endpoint",
    "drain",
    "functions_of_a_block",
    "ran",
    "registered",
    "start_cron",
    "survives_every_crash",
    "the_run",
    "tick",
    "travel",
]
