"""A form that moves money or starts a run acts once, however often it is sent.

The site puts a token into each such form (`{% form_token %}`). A sending is a row (`Submission`),
unique by token, action, account and content, written in the act's transaction:
- A second sending waits at the unique index for the first one's transaction, and gets its result;
  if that was rolled back, the second acts.
- The same token with other content (Back, and another word) is another act.
- Two pages have two tokens: the forms of two operators are two acts, as far as the state of things
  allows.

A row is kept longer than its token lives. The site's tokens (UUIDv7) carry their time; an older one
is refused, since whether it has acted cannot be told any more. A form without its token is known by
its content for ten minutes: enough for a double click, a reload, a proxy that repeats a request.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection, transaction

from jobs.errors import JobsError
from jobs.ids import new_id
from jobs.models import Submission

FIELD = "form_token"  # the hidden field
LIFE = timedelta(days=7)  # of a token
SKEW = timedelta(days=1)  # between the clocks of site and database
KEPT = LIFE + SKEW
WITHOUT_TOKEN = timedelta(minutes=10)
LOST = uuid.UUID(int=0)

# An empty `result` is this sending's to act on: committed rows always have one. A row without a
# token is taken over after its ten minutes.
TAKE = """
INSERT INTO jobs_submission AS known (token, action, asked, account, result, at)
VALUES (%(token)s, %(action)s, %(asked)s, %(account)s, '', statement_timestamp())
ON CONFLICT (token, action, account, asked) DO UPDATE SET
  result = CASE WHEN known.token = %(lost)s AND known.at < EXCLUDED.at - %(window)s
                THEN '' ELSE known.result END,
  at = CASE WHEN known.token = %(lost)s AND known.at < EXCLUDED.at - %(window)s
            THEN EXCLUDED.at ELSE known.at END
RETURNING id, result
"""


class StaleForm(JobsError):
    """A form's token is too old to tell whether the form was sent before."""

    def __init__(self) -> None:
        super().__init__(
            f"This form was opened more than {LIFE.days} days ago, and may have been sent before. "
            "Nothing was done. Look at it again, and send it once more if you still want it."
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """The id that the act returned, and whether an earlier sending did it."""

    result: str
    is_repeat: bool


def once(
    act: Callable[[], object],
    *,
    token: str | uuid.UUID | None,
    action: str,
    account: object,
    asked: Any,
    is_guarded: bool = False,
) -> Outcome:
    """Call `act` unless this form has done so; returns the id that it returned then or now.

    `token` came with the form, `action` names the act ("songs.order"), `account` is the sending
    account's id, `asked` the form's content, as JSON. Act and memory are one transaction: if `act`
    raises, neither stays. Raises StaleForm for a token that is too old.

    With `is_guarded` the state itself allows the act only once (a cancelled run cannot be
    cancelled): a form without a token then simply acts.
    """
    read = read_token(token)
    if read is not None and _is_stale(read):
        raise StaleForm
    with transaction.atomic():
        if read is None and is_guarded:
            return Outcome(str(act()), is_repeat=False)
        row_id, result = _take(read or LOST, action, str(account), digest(asked))
        if result:
            return Outcome(result, is_repeat=True)
        made = str(act()) or "done"
        Submission.objects.filter(id=row_id).update(result=made)
    return Outcome(made, is_repeat=False)


def sent(*, token: str | None, action: str, account: object) -> int:
    """How many acts one sending has done that is about many things."""
    read = read_token(token)
    if read is None:
        return 0
    return Submission.objects.filter(token=read, action=action, account=str(account)).count()


def token_for_form(brought: str = "") -> str:
    """The token for a form: the one that it brought, if it comes back with errors, or a new one."""
    read = read_token(brought)
    return str(new_id() if read is None or _is_stale(read) else read)


def read_token(given: str | uuid.UUID | None) -> uuid.UUID | None:
    """The token that a form brought; None if it is missing or no UUID."""
    try:
        read = uuid.UUID(str(given or ""))
    except ValueError:
        return None
    return None if read == LOST else read


def digest(asked: Any) -> str:
    """The same for the same content, whatever the order of its names."""
    text = json.dumps(asked, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _is_stale(token: uuid.UUID) -> bool:
    """Only the site's own tokens grow old: version 7 begins with its time."""
    if token.version != 7:
        return False
    age = timedelta(milliseconds=time.time_ns() // 1_000_000 - (token.int >> 80))
    return not -SKEW <= age <= LIFE


def _take(token: uuid.UUID, action: str, account: str, asked: str) -> tuple[int, str]:
    """This sending's row: its id, and the result if it has acted."""
    values: dict[str, Any] = {
        **{"token": token, "action": action, "account": account, "asked": asked},
        **{"lost": LOST, "window": WITHOUT_TOKEN},
    }
    with connection.cursor() as cursor:
        cursor.execute(TAKE, values)
        row_id, result = cursor.fetchone()
    return row_id, result
