"""A form that moves money or starts a run acts once, however often it is sent.

The site puts a token into each such form when it makes the page (`{% form_token %}`). A sending of
the form is a row (`Submission`), unique by token, action, account and content, and written in the
transaction of the act:

- A second sending waits at the unique index until the transaction of the first ends, and learns
  what came of it. If that was rolled back, the second one acts.
- The same token with another content (Back, and another word) is another act.
- Two pages have two tokens: what two operators ask for, each with a form of their own, is two
  acts, as far as the state of things allows them.

A row is kept for longer than a token lives. The site's tokens (UUIDv7) say when they were made; an
older one is refused, since nothing can tell any more whether it has acted. A form that lost its
token on the way is known by its content for ten minutes, which covers a double click, a reload and
a proxy that repeats a request.
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

FIELD = "form_token"  # the name of the hidden field
LIFE = timedelta(days=7)  # of a token
SKEW = timedelta(days=1)  # by which the clocks of site and database may differ
KEPT = LIFE + SKEW
WITHOUT_TOKEN = timedelta(minutes=10)
LOST = uuid.UUID(int=0)

# The row is ours to act for if its `result` is empty: a committed one never is. One that had no
# token and is known no longer is taken over.
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
    """What came of a form: the id that its act returned, and whether an earlier sending had done
    it."""

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
    """Call `act` unless this form has done so before; returns the id that it returned then or now.

    `token` is what the form brought, `action` names what it does ("songs.order"), `account` is the
    id of the account that sends it, and `asked` is the content of the form, as JSON. The act and
    the memory of it are one transaction: what `act` raises leaves neither. Raises StaleForm for a
    token that is too old.

    With `is_guarded` the state of what is acted on allows the act once (a run that is cancelled
    cannot be cancelled): a form without a token then simply acts.
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
    """How many acts a form has done, whose one sending is about many things."""
    read = read_token(token)
    if read is None:
        return 0
    return Submission.objects.filter(token=read, action=action, account=str(account)).count()


def token_for_form(brought: str = "") -> str:
    """The token for a form: the one that it brought, if it comes back with its errors, or a new
    one."""
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
    """The same for the same content, in whatever order its names stand."""
    text = json.dumps(asked, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _is_stale(token: uuid.UUID) -> bool:
    """Whether its time is over. Only the site's own tokens have one: version 7 begins with it."""
    if token.version != 7:
        return False
    age = timedelta(milliseconds=time.time_ns() // 1_000_000 - (token.int >> 80))
    return not -SKEW <= age <= LIFE


def _take(token: uuid.UUID, action: str, account: str, asked: str) -> tuple[int, str]:
    """The row of this sending: its id, and the result if it has acted."""
    values: dict[str, Any] = {
        **{"token": token, "action": action, "account": account, "asked": asked},
        **{"lost": LOST, "window": WITHOUT_TOKEN},
    }
    with connection.cursor() as cursor:
        cursor.execute(TAKE, values)
        row_id, result = cursor.fetchone()
    return row_id, result
