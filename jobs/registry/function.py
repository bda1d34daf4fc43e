from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from jobs.lib.durations import seconds
from jobs.registry import event_data
from jobs.registry.handler_identity import UNDECLARED, Declaration, module_of, place_of
from jobs.registry.options import Cancel, Concurrency, Timeouts, Trigger, TriggerCron

Handler = Callable[..., Any]
DEFAULT_RETRIES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    fn_id: str
    name: str
    handler: Handler
    triggers: tuple[Trigger, ...] = ()
    concurrency: tuple[Concurrency, ...] = ()
    retries: int = DEFAULT_RETRIES
    backoff: tuple[float, ...] | None = None  # seconds; None: the setting, else Inngest's table
    timeouts: Timeouts = field(default_factory=Timeouts)
    cancel_on: tuple[Cancel, ...] = ()
    resumable: bool = True  # a failed run may go on
    hooks: dict[str, str] = field(default_factory=dict)  # "failure" | "cancel" | "retry" → fn_id
    declaration: Declaration = field(default=UNDECLARED, compare=False, repr=False)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.handler(*args, **kwargs)

    @property
    def place(self) -> str:
        """The handler's; if it has no line, its registration's."""
        place, declared = place_of(self.handler), self.declaration.place
        return f"{place}, {declared}" if declared and ", " not in place else place

    def config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "module": module_of(self.handler),
            "triggers": [_trigger_config(trigger) for trigger in self.triggers],
            "concurrency": [{"limit": c.limit, "key": c.key} for c in self.concurrency],
            "retries": self.retries,
            **({"backoff": list(self.backoff)} if self.backoff else {}),
            "timeouts": {
                name: seconds(value)
                for name in ("start", "finish")
                if (value := getattr(self.timeouts, name)) is not None
            },
            **({} if self.resumable else {"resumable": False}),
            "cancel_on": [{"event": c.event, "if": c.if_exp} for c in self.cancel_on],
            **{f"on_{moment}": fn_id for moment, fn_id in self.hooks.items()},
        }


def _trigger_config(trigger: Trigger) -> dict[str, Any]:
    if isinstance(trigger, TriggerCron):
        is_plain = trigger.if_running == "start"
        return {"cron": trigger.cron} | ({} if is_plain else {"if_running": trigger.if_running})
    told = {"event": trigger.event, "if": trigger.if_exp}
    return told if trigger.data is None else told | {"data": event_data.schema(trigger)}
