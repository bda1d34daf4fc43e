"""What a listener reads when a limit is reached, with the time to wait."""

from __future__ import annotations

from math import ceil

from django.utils import timezone

from songs.limits.counts import Full
from songs.limits.rules import ACCOUNT, ALL, DAY, HOUR, MAKING, NETWORK, Rule

A_WHILE = 60  # seconds until another try is worth it where no window ends
PAUSED = "{} just now: the operators of this site have paused it."
PAUSES = {
    "orders": "No song can be ordered",
    "making": "No song can be ordered",
    "sign-ups": "No account can be made",
    "downloads": "No file can be fetched",
    "polling": "There is no news",
    "drafts": "No text is kept",
}
# In braces: what is said of one, and of more.
SENTENCES = {
    ("orders", ACCOUNT): "You can order {one song|N songs} an hour, and this hour has none left.",
    ("orders", NETWORK): "All listeners in your network together can order {one song|N songs} an "
    "hour, and this hour has none left.",
    ("orders", ALL): "This site makes {one song|N songs} a day, and this day has none left.",
    ("making", ACCOUNT): "You can have {one song|N songs} in the making at once, and you have. "
    "Wait until one of them is ready.",
    ("sign-ups", NETWORK): "{One account|N accounts} an hour can be made from your network, and "
    "this hour has none left.",
    ("sign-ups", ALL): "This site takes {one new account|N new accounts} a day, and this day has "
    "none left.",
    ("downloads", ACCOUNT): "You can fetch {one file|N files} an hour, and this hour has none "
    "left.",
    ("downloads", NETWORK): "All listeners in your network together can fetch {one file|N files} "
    "an hour, and this hour has none left.",
    ("polling", ACCOUNT): "Your pages have asked for news too often.",
    ("polling", NETWORK): "Pages in your network have asked for news too often.",
    ("drafts", NETWORK): "{One text|N texts} an hour can be kept for your network, and this hour "
    "has none left.",
}


NEXT = {HOUR: "The next hour begins at", DAY: "The next day begins at"}


class TooMany(Exception):
    """A limit is reached. The message is for the listener, with a time in the listener's zone;
    `wait` is in whole seconds."""

    def __init__(self, full: Full) -> None:
        self.full = full
        self.wait = A_WHILE if full.rule is MAKING else max(ceil(full.seconds), 1)
        super().__init__(f"{_sentence(full.rule, full.most)}{_when(full, self.wait)}")


def _when(full: Full, wait: int) -> str:
    """When to come again. Of songs in the making no time is known, and of a pause no end."""
    if full.rule is MAKING and full.most:
        return ""
    if full.rule.span in NEXT and full.most:
        begins = f"{timezone.localtime(full.ends_at):%H:%M}"
        return f" {NEXT[full.rule.span]} {begins}: try again in {in_words(wait)}."
    return f" Try again in {in_words(wait)}."


def _sentence(rule: Rule, most: int) -> str:
    if not most:
        return PAUSED.format(PAUSES[rule.kind])
    before, _, rest = SENTENCES[rule.kind, rule.scope].partition("{")
    choice, _, after = rest.partition("}")
    one, _, more = choice.partition("|")
    return before + (one if most == 1 else more.replace("N", f"{most:,}")) + after


def in_words(seconds: int) -> str:
    """“40 seconds”, “12 minutes”, “5 hours”: never less than it takes."""
    for unit, length in (("hour", 3600), ("minute", 60)):
        if seconds > length:
            return f"{ceil(seconds / length)} {unit}s"
    return f"{seconds} second{'' if seconds == 1 else 's'}"
