"""Turn the error of a failed run into a sentence for the listener.

The engine's error is for operators: {"name", "message", "stack", "step"}, with a message such as
“step “call-modal-api” failed: FetchError: POST https://… answered 503: …”. The sentences tell the
listener whether another try can help or the operators have to act. Each has at most 300 characters
and ends with what the failure cost.
"""

from __future__ import annotations

import re
from typing import Any

FREE = "It cost you nothing."
UNREACHABLE = f"The music service could not be reached. Please try again a little later. {FREE}"
TOO_SLOW = f"The music service took too long over this song, so we stopped waiting. {FREE}"
TROUBLED = f"The music service had a problem and could not make this song. {FREE}"
REFUSED = (
    "The music service did not accept our request. That is ours to mend, and no other words of "
    f"yours would change it. {FREE}"
)
UNUSABLE = f"The music service answered, but what it sent is not a song. {FREE}"
OURS = f"Something went wrong on our side while this song was being made. {FREE}"
NO_CREDITS = f"You had no credit left when this song's turn came. {FREE}"
CANCELLED = f"This song was cancelled. {FREE}"
ANOTHER = f"Another try at this song has succeeded, so this one was not needed. {FREE}"

# The error of a run whose wish another song has fulfilled.
CAME_AS_ANOTHER = "Another try at this song's wish has come and was charged; this one is free."

CALL = r"step “call-modal-api” failed: \w+: [A-Z]+ \S+"
# The first pattern that matches wins; without a match the fault is the site's.
BY_MESSAGE = [
    (rf"step “[a-z-]+” failed: NonRetriableError: {re.escape(CAME_AS_ANOTHER)}", ANOTHER),
    (rf"{CALL} answered (5\d\d|408|425|429)\b", TROUBLED),
    (rf"{CALL} answered \d\d\d\b", REFUSED),
    (rf"{CALL}: no whole answer within", TOO_SLOW),
    (rf"{CALL}: (the answer|what came back|it said|it redirect)", UNUSABLE),
    (r"step “call-modal-api” failed: FetchError\b", UNREACHABLE),
    (r"step “update-song” failed: NonRetriableError\b", UNUSABLE),
]


def apology(error: dict[str, Any] | None) -> str:
    """The sentence for the error of a failed run."""
    message = str((error or {}).get("message", ""))
    return next((words for start, words in BY_MESSAGE if re.match(start, message)), OURS)
