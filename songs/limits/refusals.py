"""What a listener reads when a limit is reached, with the time to wait."""

from __future__ import annotations

from math import ceil

from songs.limits.counts import Full
from songs.limits.rules import ACCOUNT, ALL, MAKING, NETWORK, Rule

A_WHILE = 60  # seconds until another try is worth it where no window ends
PAUSED = "{} just now: the operators of this site have paused it."
PAUSES = {
    "orders": "No song can be ordered",
    "making": "No song can be ordered",
    "sign-ups": "No account can be made",
    "downloads": "No file can be fetched",
    "polling": "There is no news",
}
# In braces: what is said of one, and of more.
SENTENCES = {
    ("orders", ACCOUNT): "You have ordered {one song|N songs} within an hour, and more are too "
    "many.",
    ("orders", NETWORK): "{One song was|N songs were} ordered from your network within an hour, "
    "and more are too many.",
    (
        "orders",
        ALL,
    ): "This site makes {one song|N songs} a day, and those of today are all ordered.",
    ("making", ACCOUNT): "{One of your songs is|N of your songs are} in the making, and you can "
    "have no more at once. Wait until one of them is ready.",
    ("sign-ups", NETWORK): "{One account was|N accounts were} made from your network within an "
    "hour, and more are too many.",
    ("sign-ups", ALL): "{One account was|N accounts were} made today, and this site takes no more "
    "in a day.",
    ("downloads", ACCOUNT): "You have fetched {one file|N files} within an hour, and more are too "
    "many.",
    ("downloads", NETWORK): "{One file was|N files were} fetched from your network within an hour, "
    "and more are too many.",
    ("polling", ACCOUNT): "Your pages have asked for news too often.",
    ("polling", NETWORK): "Pages in your network have asked for news too often.",
}


class TooMany(Exception):
    """A limit is reached. The message is for the listener; `wait` is in whole seconds."""

    def __init__(self, full: Full) -> None:
        self.full = full
        self.wait = A_WHILE if full.rule is MAKING else max(ceil(full.seconds), 1)
        super().__init__(_sentence(full.rule, full.most, self.wait))


def _sentence(rule: Rule, most: int, wait: int) -> str:
    again = "" if rule is MAKING and most else f" Try again in {in_words(wait)}."
    if not most:
        return PAUSED.format(PAUSES[rule.kind]) + again
    before, _, rest = SENTENCES[rule.kind, rule.scope].partition("{")
    choice, _, after = rest.partition("}")
    one, _, more = choice.partition("|")
    return before + (one if most == 1 else more.replace("N", f"{most:,}")) + after + again


def in_words(seconds: int) -> str:
    """“40 seconds”, “12 minutes”, “5 hours”: never less than it takes."""
    for unit, length in (("hour", 3600), ("minute", 60)):
        if seconds > length:
            return f"{ceil(seconds / length)} {unit}s"
    return f"{seconds} second{'' if seconds == 1 else 's'}"
