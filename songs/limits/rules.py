"""The limits by name. `settings.LIMITS` has their defaults; operators change them in the panel."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ACCOUNT, NETWORK, ALL = "account", "network", "all"
SPANS = {MINUTE: "a minute", HOUR: "an hour", DAY: "a day (UTC)", timedelta(0): "at once"}
KINDS = {
    "orders": "Orders",
    "making": "Songs in the making",
    "sign-ups": "Sign-ups",
    "downloads": "Downloads",
    "polling": "News asked for",
    "drafts": "Texts kept for a sign-in",
}
SCOPES = {ACCOUNT: "one account", NETWORK: "one network", ALL: "the whole site"}


@dataclass(frozen=True)
class Rule:
    """At most so many of one kind for one subject, in windows of one length that follow each other
    by the database's clock."""

    kind: str
    scope: str
    span: timedelta

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.scope}"

    @property
    def default(self) -> int | None:
        """What holds unless an operator has set another number; None is no limit."""
        found: int | None = settings.LIMITS.get(self.name)
        return found

    def __str__(self) -> str:
        return f"{KINDS[self.kind]} of {SCOPES[self.scope]}, {SPANS[self.span]}"


# `making` is no window: it counts the listener's songs in the making.
MAKING = Rule("making", ACCOUNT, timedelta(0))
WINDOWS = (
    Rule("orders", ACCOUNT, HOUR),
    Rule("orders", NETWORK, HOUR),
    Rule("orders", ALL, DAY),
    Rule("sign-ups", NETWORK, HOUR),
    Rule("sign-ups", ALL, DAY),
    Rule("downloads", ACCOUNT, HOUR),
    Rule("downloads", NETWORK, HOUR),
    Rule("polling", ACCOUNT, MINUTE),
    Rule("polling", NETWORK, MINUTE),
    Rule("drafts", NETWORK, HOUR),
)
RULES = {rule.name: rule for rule in (MAKING, *WINDOWS)}


def of_kind(kind: str) -> list[Rule]:
    return [rule for rule in WINDOWS if rule.kind == kind]
