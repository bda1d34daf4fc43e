"""Turn the error of a failed run into a sentence for the listener.

The engine's error is for operators: {"name", "message", "stack", "step", "code", "status_code"}.
The code chooses the sentence; the message is not read. The sentences tell the listener whether
another try can help or the operators have to act. Each has at most 300 characters and ends with
what the failure cost.
"""

from __future__ import annotations

from typing import Any

from jobs.api import FetchCode, NonRetriableError

FREE = "It cost you nothing."
UNREACHABLE = f"The music service could not be reached. Please try again a little later. {FREE}"
TOO_SLOW = f"The music service took too long over this song, so we stopped waiting. {FREE}"
TROUBLED = f"The music service had a problem and could not make this song. {FREE}"
REFUSED = (
    "The music service did not accept our request. That is ours to mend, and no other words of "
    f"yours would change it. {FREE}"
)
UNUSABLE = f"The music service answered, but what it sent is not a song. {FREE}"
OUR_FAULT = f"Something went wrong on our side while this song was being made. {FREE}"
NO_CREDITS = f"You had no credit left when this song's turn came. {FREE}"
CANCELLED = f"This song was cancelled. {FREE}"
ANOTHER = f"Another try at this song has succeeded, so this one was not needed. {FREE}"

CAME_AS_ANOTHER = "came_as_another"  # the site's own codes: see CameAsAnother, …
SONG_DELETED = "song_deleted"  # … and for a song that is gone when it comes
FILES_GONE = "files_gone"  # the files of a reply were removed (see unmade.py)
TOO_BUSY = (408, 425, 429)  # what the service says when another try may help
BY_CODE: dict[str, str] = {
    FetchCode.TIMEOUT: TOO_SLOW,
    FetchCode.UNREACHABLE: UNREACHABLE,
    FetchCode.UNUSABLE: UNUSABLE,
    FetchCode.HTTP_4XX: REFUSED,
    FetchCode.HTTP_5XX: TROUBLED,
    CAME_AS_ANOTHER: ANOTHER,
}


def apology(error: dict[str, Any] | None) -> str:
    """The sentence for the error of a failed run. Without a code that is known here, the fault is
    the site's."""
    found = error or {}
    if found.get("status_code") in TOO_BUSY:
        return TROUBLED
    return BY_CODE.get(found.get("code", ""), OUR_FAULT)


class CameAsAnother(NonRetriableError):
    """Another try at this song's wish has come and was charged; this one is free."""

    def __init__(self) -> None:
        super().__init__(code=CAME_AS_ANOTHER)
